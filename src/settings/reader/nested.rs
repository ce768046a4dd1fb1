//! Tables within a table of the settings: one, several of a kind, or texts by their keys. As the reader itself, it knows
//! no key and never converts a value.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};

use super::{Section, origin_of, wrong_type};

impl Section<'_> {
    /// A table within this one, or what `read` makes of an empty one. It has to be the last thing that is read here,
    /// for it stands after the table's own keys.
    pub(in crate::settings) fn inner<T>(&mut self, name: &'static str, read: impl Fn(&mut Section<'_>) -> T) -> T {
        let path = format!("{}.{name}", self.path);
        let written = self.values.remove(name);
        let values = written.map(|value| self.reader.table_of(value, &path)).unwrap_or_default();
        self.part(format!("[{}.{name}]", self.header.trim_matches(['[', ']'])), path, self.index, values, read)
    }

    /// The array of tables `name` within this one, of at most `count_max`; last, as [`Self::inner`].
    pub(in crate::settings) fn rows<T>(
        &mut self,
        name: &'static str,
        count_max: usize,
        read: impl Fn(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        let path = format!("{}.{name}", self.path);
        let written = match self.values.remove(name) {
            None => Vec::new(),
            Some(value) => self.reader.tables_of(value, &path, count_max),
        };
        let header = format!("[[{}.{name}]]", self.header.trim_matches(['[', ']']));
        let mut rows = Vec::with_capacity(written.len());
        for (index, values) in written.into_iter().enumerate() {
            rows.push(self.part(header.clone(), format!("{path}[{index}]"), index, values, &read));
        }
        rows
    }

    /// A table of at most `count_max` texts by their keys.
    pub(in crate::settings) fn texts(&mut self, key: &'static str, count_max: usize) -> BTreeMap<String, String> {
        let (value, at) = self.take(key);
        let mut texts = BTreeMap::new();
        match value {
            None => {}
            Some(ValueKind::Table(values)) if values.len() <= count_max => {
                for (name, value) in values {
                    let place = format!("{key}.{name}");
                    let at = origin_of(&value);
                    match value.kind {
                        ValueKind::String(text) => _ = texts.insert(name, text),
                        other => self.refuse_value(&place, at.as_deref(), wrong_type("a string", &other)),
                    }
                }
            }
            Some(ValueKind::Table(values)) => {
                let what = format!("has {} entries; at most {count_max} are allowed", values.len());
                self.refuse_value(key, at.as_deref(), what);
            }
            Some(other) => self.refuse_value(key, at.as_deref(), wrong_type("a table of strings", &other)),
        }
        let shown = texts.iter().map(|(name, text)| (name.clone(), toml::Value::String(text.clone()))).collect();
        self.enter(key, toml::Value::Table(shown).to_string(), at);
        texts
    }

    fn part<T>(
        &mut self,
        header: String,
        path: String,
        index: usize,
        values: Map<String, Value>,
        read: impl Fn(&mut Section<'_>) -> T,
    ) -> T {
        let mut part = Section { reader: &mut *self.reader, header, path, index, values };
        let meant = read(&mut part);
        part.close();
        meant
    }
}
