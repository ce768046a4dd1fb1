"""The English and pinyin names of China's administrative areas, for regions.py: what pinyin gives, and by hand what it
cannot (names from other languages, readings peculiar to a place, successors of abolished counties)."""

from __future__ import annotations

import re

from pypinyin import lazy_pinyin

PROVINCES = {
    "11": ("北京市", "Beijing"), "12": ("天津市", "Tianjin"), "13": ("河北省", "Hebei"), "14": ("山西省", "Shanxi"),
    "15": ("内蒙古自治区", "Inner Mongolia"), "21": ("辽宁省", "Liaoning"), "22": ("吉林省", "Jilin"),
    "23": ("黑龙江省", "Heilongjiang"), "31": ("上海市", "Shanghai"), "32": ("江苏省", "Jiangsu"),
    "33": ("浙江省", "Zhejiang"), "34": ("安徽省", "Anhui"), "35": ("福建省", "Fujian"), "36": ("江西省", "Jiangxi"),
    "37": ("山东省", "Shandong"), "41": ("河南省", "Henan"), "42": ("湖北省", "Hubei"), "43": ("湖南省", "Hunan"),
    "44": ("广东省", "Guangdong"), "45": ("广西壮族自治区", "Guangxi"), "46": ("海南省", "Hainan"),
    "50": ("重庆市", "Chongqing"), "51": ("四川省", "Sichuan"), "52": ("贵州省", "Guizhou"), "53": ("云南省", "Yunnan"),
    "54": ("西藏自治区", "Tibet"), "61": ("陕西省", "Shaanxi"), "62": ("甘肃省", "Gansu"), "63": ("青海省", "Qinghai"),
    "64": ("宁夏回族自治区", "Ningxia"), "65": ("新疆维吾尔自治区", "Xinjiang"), "71": ("台湾省", "Taiwan"),
    "81": ("香港特别行政区", "Hong Kong"), "82": ("澳门特别行政区", "Macao"),
}

# Readings of single characters in place names, where the everyday reading or pypinyin's first choice is another.
CHARACTERS = {
    "长": "chang", "都": "du", "乐": "le", "什": "shi", "柏": "bai", "勒": "le", "棱": "ling", "尾": "wei",
    "朝": "chao", "沈": "shen", "曾": "zeng", "车": "che", "圩": "xu", "冈": "gang", "峙": "shi", "召": "zhao",
}

# Readings of whole proper names.
READINGS = {
    "长子": "zhang zi", "乐清": "yue qing", "乐亭": "lao ting", "乐陵": "lao ling", "大城": "dai cheng",
    "洪洞": "hong tong", "泊头": "bo tou", "涡阳": "guo yang", "浚": "xun", "单": "shan", "闵行": "min hang",
    "珲春": "hun chun", "召陵": "shao ling", "盖州": "gai zhou", "筠连": "jun lian", "什邡": "shi fang",
    "荥经": "ying jing", "个旧": "ge jiu", "六安": "lu an", "六合": "lu he", "台州": "tai zhou", "天台": "tian tai",
    "丽水": "li shui", "蚌埠": "beng bu", "亳州": "bo zhou", "厦门": "xia men", "东阿": "dong e", "阿城": "a cheng",
    "伽师": "jia shi", "猇亭": "xiao ting", "枞阳": "zong yang", "宕昌": "tan chang", "阆中": "lang zhong",
    "黄陂": "huang pi", "大埔": "da bu", "黄埔": "huang pu", "监利": "jian li", "秘": "bi", "尉犁": "yu li",
    "燕山": "yan shan", "观山湖": "guan shan hu", "会稽": "kuai ji", "郏": "jia", "解放": "jie fang", "莎车": "sha che",
    "甪直": "lu zhi", "色达": "se da", "石渠": "shi qu", "万载": "wan zai", "綦江": "qi jiang", "新干": "xin gan",
    "龙圩": "long xu", "铅山": "yan shan", "婺源": "wu yuan", "牟平": "mu ping", "牟定": "mou ding", "中牟": "zhong mu",
    "番禺": "pan yu", "六枝": "liu zhi", "澄江": "cheng jiang", "澄城": "cheng cheng", "吴堡": "wu bu", "栎": "yue",
    "句容": "ju rong", "盱眙": "xu yi", "洮南": "tao nan", "临洮": "lin tao", "扎赉诺尔": "zha lai nuo er",
    "广饶": "guang rao", "册亨": "ce heng", "宝坻": "bao di", "蔚": "yu", "隰": "xi", "莘": "shen", "歙": "she",
    "巴音": "ba yin", "重庆": "chong qing", "行唐": "xing tang", "井陉": "jing xing", "阜": "fu", "荔波": "li bo", "漯河": "luo he",
    "崆峒": "kong tong",
}

# Proper names that have an established spelling of their own; the suffix is still translated.
SPELLINGS = {
    "呼和浩特": "Hohhot", "鄂尔多斯": "Ordos", "呼伦贝尔": "Hulunbuir", "巴彦淖尔": "Bayannur", "乌兰察布": "Ulanqab",
    "兴安盟": "Hinggan League", "锡林郭勒": "Xilingol", "阿拉善": "Alxa", "包头": "Baotou", "乌兰浩特": "Ulanhot",
    "锡林浩特": "Xilinhot", "二连浩特": "Erenhot", "满洲里": "Manzhouli", "额尔古纳": "Ergun", "土默特": "Tumed",
    "科尔沁": "Horqin", "科尔沁右翼": "Horqin Right Wing", "科尔沁左翼": "Horqin Left Wing", "鄂托克": "Otog",
    "察哈尔右翼": "Chahar Right Wing", "乌拉特": "Urad", "阿鲁科尔沁": "Ar Horqin", "阿尔山": "Arxan",
    "巴林": "Bairin", "鄂温克": "Evenk", "鄂伦春": "Oroqen", "准格尔": "Jungar", "达拉特": "Dalad", "杭锦": "Hanggin",
    "额济纳": "Ejin", "苏尼特": "Sonid", "扎鲁特": "Jarud", "扎赉特": "Jalaid", "喀喇沁": "Harqin", "敖汉": "Aohan",
    "翁牛特": "Ongniud", "克什克腾": "Hexigten", "海拉尔": "Hailar", "扎兰屯": "Zhalantun", "库伦": "Hure",
    "奈曼": "Naiman", "伊金霍洛": "Ejin Horo", "乌审": "Uxin", "新巴尔虎": "New Barag", "陈巴尔虎": "Old Barag",
    "莫力达瓦": "Morin Dawa", "阿巴嘎": "Abag", "齐齐哈尔": "Qiqihar", "哈尔滨": "Harbin", "佳木斯": "Jiamusi",
    "拉萨": "Lhasa", "日喀则": "Shigatse", "昌都": "Qamdo", "林芝": "Nyingchi", "山南": "Shannan", "那曲": "Nagqu",
    "阿里": "Ngari", "阿坝": "Ngawa", "甘孜": "Garze", "迪庆": "Diqing", "香格里拉": "Shangri-La", "玉树": "Yushu",
    "果洛": "Golog", "格尔木": "Golmud", "德令哈": "Delingha", "乌鲁木齐": "Urumqi", "克拉玛依": "Karamay",
    "吐鲁番": "Turpan", "哈密": "Hami", "昌吉": "Changji", "博尔塔拉": "Bortala", "巴音郭楞": "Bayingolin",
    "阿克苏": "Aksu", "克孜勒苏": "Kizilsu", "喀什": "Kashgar", "和田": "Hotan", "伊犁": "Ili", "塔城": "Tacheng",
    "阿勒泰": "Altay", "库尔勒": "Korla", "伊宁": "Yining", "奎屯": "Kuytun", "霍尔果斯": "Khorgas",
    "阿图什": "Artux", "莎车": "Yarkant", "库车": "Kuqa", "塔什库尔干": "Taxkorgan", "察布查尔": "Qapqal",
    "石河子": "Shihezi", "阿拉尔": "Aral", "图木舒克": "Tumxuk", "五家渠": "Wujiaqu", "可克达拉": "Kokdala",
    "阿拉山口": "Alashankou", "玛纳斯": "Manas", "轮台": "Luntai", "尼勒克": "Nilka", "特克斯": "Tekes",
    "麦盖提": "Makit", "巴楚": "Maralbexi", "策勒": "Qira", "察哈尔": "Chahar", "达尔罕茂明安": "Darhan Muminggan", "东乌珠穆沁": "East Ujimqin",
    "西乌珠穆沁": "West Ujimqin", "前郭尔罗斯": "Qian Gorlos", "杜尔伯特": "Dorbod", "和布克赛尔": "Hoboksar",
    "阿克塞": "Aksay", "巴里坤": "Barkol", "木垒": "Mori", "托克托": "Togtoh", "霍林郭勒": "Holingol",
    "喀喇沁左翼": "Harqin Left Wing", "神农架林区": "Shennongjia Forestry District", "芒市": "Mangshi",
    "津市市": "Jinshi", "萨尔图": "Sartu", "富拉尔基": "Fularji",
}

PEOPLES = (
    "蒙古族 回族 藏族 维吾尔族 维吾尔 苗族 彝族 壮族 布依族 朝鲜族 满族 侗族 瑶族 白族 土家族 哈尼族 哈萨克族 哈萨克 傣族 "
    "黎族 傈僳族 佤族 畲族 拉祜族 水族 东乡族 纳西族 景颇族 柯尔克孜族 柯尔克孜 土族 达斡尔族 仫佬族 羌族 布朗族 撒拉族 "
    "毛南族 仡佬族 锡伯族 锡伯 阿昌族 普米族 塔吉克族 塔吉克 怒族 鄂温克族 德昂族 保安族 裕固族 独龙族 鄂伦春族 蒙古 "
    "各族"
).split()

# Administrative suffixes, the longest first: Chinese, English.
SUFFIXES = [
    ("自治州", "Prefecture"), ("自治县", "Autonomous County"), ("自治旗", "Autonomous Banner"), ("地区", "Prefecture"),
    ("左翼前旗", "Left Wing Front Banner"), ("左翼中旗", "Left Wing Middle Banner"),
    ("左翼后旗", "Left Wing Rear Banner"), ("右翼前旗", "Right Wing Front Banner"),
    ("右翼中旗", "Right Wing Middle Banner"), ("右翼后旗", "Right Wing Rear Banner"), ("联合旗", "United Banner"),
    ("左旗", "Left Banner"), ("右旗", "Right Banner"), ("前旗", "Front Banner"), ("中旗", "Middle Banner"),
    ("后旗", "Rear Banner"), ("新区", "New Area"), ("矿区", "Mining District"), ("特区", "Special District"),
    ("盟", "League"), ("旗", "Banner"), ("县", "County"), ("区", "District"), ("市", ""),
]

# Suffixes of functional zones, the longest first.
ZONE_SUFFIXES = [
    ("高新技术产业开发区", "High-Tech Zone"), ("高技术产业开发区", "High-Tech Zone"), ("高新技术产业园区", "High-Tech Park"),
    ("高新技术开发区", "High-Tech Zone"), ("汽车经济技术开发区", "Automobile Development Zone"),
    ("循环化工园区", "Chemical Industry Park"), ("转型综合改革示范区", "Transformation Demonstration Zone"),
    ("综合物流产业聚集区", "Logistics Zone"), ("航空港经济综合实验区", "Airport Economic Zone"),
    ("文化旅游创意园区", "Culture and Tourism Park"), ("城乡一体化示范区", "Urban-Rural Integration Zone"),
    ("经济技术开发区", "Economic and Technological Development Zone"), ("风景名胜区", "Scenic Area"),
    ("经济开发区", "Economic Development Zone"), ("现代产业园区", "Modern Industrial Park"), ("食品区", "Food Zone"),
    ("管理区管委会", "Management Area"), ("行政委员会", "Administrative Committee"), ("临港开发区", "Port Development Zone"),
    ("管理区", "Management Area"), ("工业园区", "Industrial Park"), ("示范区", "Demonstration Zone"),
    ("新区", "New Area"), ("新城", "New Town"), ("区", "District"),
]

# Codes whose area was merged into another of a different name, and those of the list of 2023 that have changed since.
SUCCESSORS = {
    "500105": "500157", "500112": "500157", "620201": "620200", "460321": "460302", "460322": "460303",
    "460323": "460302", "110103": "110101", "110104": "110102", "120107": "120116", "120108": "120116",
    "120109": "120116", "130223": "130284", "130521": "130503", "130526": "130505", "130603": "130606",
    "130604": "130606", "140202": "140213", "140203": "140214", "140211": "140214", "140227": "140215",
    "140402": "140403", "140411": "140403", "230105": "230104", "230107": "230110", "230702": "230717",
    "230708": "230717", "230706": "230718", "230711": "230718", "230705": "230751", "230709": "230751",
    "230712": "230723", "230714": "230723", "230710": "230724", "230715": "230724", "230707": "230724",
    "230713": "230725", "310103": "310101", "310108": "310106", "310119": "310115", "310225": "310115",
    "320103": "320104", "320107": "320106", "320202": "320213", "320203": "320213", "320204": "320213",
    "320502": "320508", "320503": "320508", "320504": "320508", "320611": "320613", "320705": "320706",
    "320802": "320812", "320811": "320812", "321011": "321003", "330103": "330105", "330204": "330212",
    "330621": "330603", "340208": "340209", "340221": "340210", "340702": "340705", "340703": "340705",
    "340721": "340706", "350402": "350404", "350427": "350405", "360105": "360112", "360421": "360404",
    "360427": "360483", "360721": "360704", "361121": "361104", "370205": "370203", "370284": "370211",
    "370634": "370614", "370802": "370811", "371202": "370116", "371421": "371403", "410211": "410202",
    "410224": "410212", "410306": "410308", "411023": "411003", "411222": "411203", "420321": "420304",
    "440102": "440104", "440107": "440103", "440116": "440112", "440903": "440904", "441421": "441403",
    "450127": "450181", "500234": "500154", "510124": "510117", "511521": "511504", "511721": "511703",
    "130721": "130705", "232723": "232701", "410381": "410307", "500222": "500110", "500225": "500111",
    "520114": "520111", "520222": "520281", "520321": "520304", "522401": "520502", "542121": "540302",
    "542301": "540202", "542421": "540602", "542621": "540402", "610125": "610118", "610427": "610482",
    "610521": "610503", "652101": "650402", "652201": "650502",
}

# Names that say nothing about the place, so that equal names prove no succession.
GENERIC = {"城区", "郊区", "矿区", "新区", "市中区", "城关区", "市郊区"}

MUNICIPALITIES = {"1101": "11", "1201": "12", "3101": "31"}


def is_generic(name: str) -> bool:
    return name in GENERIC


def split(name: str) -> tuple[str, str]:
    """红河哈尼族彝族自治州 -> (红河, Prefecture): the proper name and its suffix in English."""
    stem, english = name, ""
    for suffix, translated in SUFFIXES:
        # 清新区 is the district Qingxin, 沈北新区 the new area Shenbei.
        shortest = 2 if suffix in ("新区", "矿区") else 1
        if name.endswith(suffix) and len(name) >= len(suffix) + shortest:
            stem, english = name[: -len(suffix)], translated
            break
    while True:
        people = next((p for p in PEOPLES if stem.endswith(p)), None)
        if people is None or english == "":
            return stem, english
        if stem == people:
            return people.removesuffix("族"), english
        if people == "蒙古" and "Autonomous" not in english and english != "Prefecture":
            return stem, english
        stem = stem[: -len(people)]


def proper_name(name: str) -> str:
    return split(name)[0]


def syllables(text: str) -> list[str]:
    if text in READINGS:
        return READINGS[text].split()
    out = lazy_pinyin(text, v_to_u=True)
    if len(out) != len(text):
        raise SystemExit(f"{text}: not one syllable for each character")
    return [CHARACTERS.get(character, syllable) for character, syllable in zip(text, out)]


def pinyin(text: str) -> str:
    """西安 -> Xi'an: one word, with an apostrophe before an inner syllable that begins with a vowel."""
    if text in SPELLINGS:
        return SPELLINGS[text]
    word = ""
    for syllable in syllables(text):
        word += ("'" if word and syllable[0] in "aeo" else "") + syllable
    return word[:1].upper() + word[1:]


def place(name: str) -> str:
    if name in SPELLINGS:
        return SPELLINGS[name]
    stem, suffix = split(name)
    if len(stem) == 1 and suffix:
        # Names of one character keep their generic part: 蔚县 is Yuxian County.
        generic = name[len(stem):][:1]
        return f"{pinyin(stem)}{lazy_pinyin(generic)[0]} {suffix}"
    return f"{pinyin(stem)} {suffix}".rstrip()


def city(code: str, name: str) -> tuple[str, str]:
    """Chinese and English name of a city; placeholders of the list get a name that says what they are."""
    province_zh, province = PROVINCES[code[:2]]
    if code in MUNICIPALITIES:
        return province_zh, province
    if code in ("5001", "5002"):
        return (f"{province_zh}{name}", f"{province} ({'districts' if code == '5001' else 'counties'})")
    if code.endswith("90"):
        return f"{province_zh}直辖县级行政区划", f"{province} (directly administered)"
    return name, place(name)


def county(_code: str, name: str, _cities) -> str:
    return place(name)


def zone(code: str, name: str, cities) -> str:
    """河北唐山芦台经济开发区 -> Tangshan Lutai Economic Development Zone."""
    stem, english = name, ""
    for suffix, translated in ZONE_SUFFIXES:
        if name.endswith(suffix) and len(name) > len(suffix):
            stem, english = name[: -len(suffix)], translated
            break
    province = re.sub("省|市|壮族自治区|自治区", "", PROVINCES[code[:2]][0])
    words = []
    city_stem = proper_name(cities[code[:4]])
    if stem.startswith(province) and stem != city_stem and not stem.startswith(city_stem):
        stem = stem.removeprefix(province)
    if stem.startswith(city_stem):
        words.append(pinyin(city_stem))
        stem = stem.removeprefix(city_stem).removeprefix("市")
    if stem:
        words.append(ZONE_WORDS.get(stem) or pinyin(stem))
    return " ".join([*(words or [PROVINCES[code[:2]][1]]), english]).strip()


# Inner words of zone names that are no proper names.
ZONE_WORDS = {
    "稀土": "Rare Earth", "海港": "Seaport", "中国新加坡": "China-Singapore", "中新苏滁": "China-Singapore Suchu",
    "阜阳合肥": "Fuyang-Hefei", "合肥": "Hefei", "马鞍山": "Ma'anshan", "港": "Port", "滨海": "Binhai",
    "火炬": "Torch", "临港": "Lingang", "净月": "Jingyue", "格尔木藏青": "Golmud Zangqing",
    "内蒙古阿拉善": "Alxa", "平原": "Pingyuan",
}
