//! The shipped binary against a real Mosquitto over TLS: which authorities, certificates and passwords it takes, and
//! that each refusal is a line that names its cause. No log, printed setting or process argument may hold a secret.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use support::mosquitto::Mosquitto;
use time::OffsetDateTime;

/// How long a line may take to be logged.
const PATIENCE: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct-horse-4711";
const WRONG_PASSWORD: &str = "wrong-donkey-0815";
/// In a test without passwords.
const NO_LOGIN: &str = "allow_anonymous true\n";
/// Comes with Debian's mosquitto.
const DYNAMIC_SECURITY: &str = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";
const SERVER: &str = "cafile {dir}/ca.pem\ncertfile {dir}/server.pem\nkeyfile {dir}/server.key\n";

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A certificate for one host (or client) that ends so many days from now; negative is the past.
fn issued(authority: &Authority, host: &str, purpose: ExtendedKeyUsagePurpose, days: i64) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, host);
    params.extended_key_usages = vec![purpose];
    params.not_before = OffsetDateTime::now_utc() - time::Duration::days(30);
    params.not_after = OffsetDateTime::now_utc() + time::Duration::days(days);
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    Pair { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn server(authority: &Authority, host: &str, days: i64) -> Pair {
    issued(authority, host, ExtendedKeyUsagePurpose::ServerAuth, days)
}

/// A broker that presents this certificate.
fn broker(authority: &Authority, server: &Pair, lines: &str, more: &[(&str, &str)]) -> Mosquitto {
    let (ca, certificate, key) = (authority.pem(), &server.certificate, &server.key);
    let mut files = vec![("ca.pem", ca.as_str()), ("server.pem", certificate), ("server.key", key)];
    files.extend_from_slice(more);
    Mosquitto::start_with_files(&format!("{SERVER}{lines}"), &files)
}

/// The daemon's binary with its settings and secrets in a directory of its own; ended when dropped.
struct Daemon {
    directory: tempfile::TempDir,
    child: Option<Child>,
    /// What must appear nowhere.
    secrets: Vec<String>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended_already = child.kill();
            let _ended_already = child.wait();
        }
    }
}

impl Daemon {
    /// Files that the settings may name as `{dir}/NAME`, and those lines of `[mqtt]` that follow the url.
    fn start(port: u16, mqtt: &str, files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().display().to_string();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).expect("written");
        }
        let settings = format!(
            "[mqtt]\nurl = \"mqtts://localhost:{port}\"\n{}\n[state]\ndirectory = \"\"\n[run]\nshards = 1\n",
            mqtt.replace("{dir}", &path)
        );
        fs::write(directory.path().join("site.toml"), settings).expect("written");
        let secrets = files.iter().filter(|(name, _)| name.contains("password") || name.ends_with(".key"));
        let secrets = secrets.map(|(_, content)| secret_of(content)).collect();
        let mut daemon = Self { directory, child: None, secrets };
        let log = File::create(daemon.log_path()).expect("a log");
        let child = daemon
            .command("run")
            .env("CREDENTIALS_DIRECTORY", daemon.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the same log"))
            .stderr(log)
            .spawn();
        daemon.child = Some(child.expect("the binary runs"));
        daemon
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chargetally"));
        command.arg(name).arg("--config").arg(self.directory.path().join("site.toml"));
        command
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).expect("the log")
    }

    /// Waits for a line that holds all of these words, and gives it.
    fn line_with(&self, words: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| words.iter().all(|word| line.contains(word))) {
                return line.to_owned();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no line with {words:?} in:\n{}", self.log());
    }

    /// The subscription is refused or the broker not reached, for this reason; and it goes on trying.
    fn is_kept_out(&mut self, reason: &[&str]) {
        let words: Vec<&str> = ["WARN", "connection is down"].iter().chain(reason).copied().collect();
        self.line_with(&words);
        assert!(!self.log().contains("ready"), "{}", self.log());
        let child = self.child.as_mut().expect("running");
        assert!(child.try_wait().expect("its state").is_none(), "it ended:\n{}", self.log());
        self.tells_no_secret();
    }

    fn works(&self) {
        self.line_with(&["INFO", "ready"]);
        self.tells_no_secret();
    }

    /// No secret in the log, in what `check` prints, in the arguments or in the environment.
    fn tells_no_secret(&self) {
        assert!(!self.secrets.is_empty() || self.log().contains("started"), "nothing to look for");
        let printed = self.command("check").output().expect("the binary runs");
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        let process = Path::new("/proc").join(self.child.as_ref().expect("running").id().to_string());
        let read =
            |name: &str| String::from_utf8_lossy(&fs::read(process.join(name)).expect("of a process")).into_owned();
        let seen = [
            ("the log", self.log()),
            ("check", String::from_utf8_lossy(&printed.stdout).into_owned()),
            ("the arguments", read("cmdline")),
            ("the environment", read("environ")),
        ];
        for (place, text) in seen {
            for secret in &self.secrets {
                assert!(!text.contains(secret.as_str()), "{place} holds a secret:\n{text}");
            }
        }
    }
}

/// What is secret in a file: a password, or the first line of a key's body.
fn secret_of(content: &str) -> String {
    let line = content.lines().find(|line| !line.starts_with("-----")).expect("a line");
    assert!(line.len() >= 8, "too short to be looked for");
    line.to_owned()
}

fn signal(child_id: u32, name: &str) {
    let status = Command::new("kill").args([name, &child_id.to_string()]).status().expect("kill can be run");
    assert!(status.success());
}

const CA: &str = "ca_file = \"{dir}/ca.pem\"\n";
const LOGIN: &str = "ca_file = \"{dir}/ca.pem\"\nusername = \"tally\"\npassword_file = \"credential:mqtt-password\"\n";

#[test]
fn a_private_authority_is_trusted_where_it_is_named() {
    let ours = authority("ours");
    let broker = broker(&ours, &server(&ours, "localhost", 30), NO_LOGIN, &[]);
    Daemon::start(broker.port(), CA, &[("ca.pem", &ours.pem())]).works();
}

#[test]
fn an_authority_that_is_not_named_is_not_trusted() {
    let (ours, other) = (authority("ours"), authority("other"));
    let broker = broker(&ours, &server(&ours, "localhost", 30), NO_LOGIN, &[]);
    Daemon::start(broker.port(), CA, &[("ca.pem", &other.pem())]).is_kept_out(&["certificate", "UnknownIssuer"]);
    // Nor is it one of the system's.
    Daemon::start(broker.port(), "", &[]).is_kept_out(&["tls failed", "certificate"]);
}

#[test]
fn an_expired_certificate_is_refused() {
    let ours = authority("ours");
    let broker = broker(&ours, &server(&ours, "localhost", -1), NO_LOGIN, &[]);
    Daemon::start(broker.port(), CA, &[("ca.pem", &ours.pem())]).is_kept_out(&["certificate expired"]);
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let ours = authority("ours");
    let broker = broker(&ours, &server(&ours, "broker.example", 30), NO_LOGIN, &[]);
    Daemon::start(broker.port(), CA, &[("ca.pem", &ours.pem())])
        .is_kept_out(&["certificate not valid for name", "localhost"]);
}

#[test]
fn a_broker_that_asks_for_a_certificate_gets_ours_and_refuses_who_has_none() {
    let ours = authority("ours");
    let lines = "allow_anonymous true\nrequire_certificate true\nuse_identity_as_username true\n";
    let broker = broker(&ours, &server(&ours, "localhost", 30), lines, &[]);
    let client = issued(&ours, "tally", ExtendedKeyUsagePurpose::ClientAuth, 30);
    let files = [("ca.pem", ours.pem()), ("client.pem", client.certificate), ("client.key", client.key)];
    let files = files.each_ref().map(|(name, content)| (*name, content.as_str()));
    let ours = format!("{CA}cert_file = \"{{dir}}/client.pem\"\nkey_file = \"credential:client.key\"\n");
    Daemon::start(broker.port(), &ours, &files).works();
    assert!(broker.log().contains("u'tally'"), "the broker knows us by our certificate:\n{}", broker.log());
    Daemon::start(broker.port(), CA, &files).is_kept_out(&["ertificate", "equired"]);
}

#[test]
fn a_client_certificate_also_goes_with_the_systems_authorities() {
    let ours = authority("ours");
    let broker = broker(&ours, &server(&ours, "localhost", 30), NO_LOGIN, &[]);
    let client = issued(&ours, "tally", ExtendedKeyUsagePurpose::ClientAuth, 30);
    let settings = "cert_file = \"{dir}/client.pem\"\nkey_file = \"{dir}/client.key\"\n";
    let files = [("client.pem", client.certificate.as_str()), ("client.key", &client.key)];
    // The system does not know our authority: it is the broker that is refused, not the settings.
    Daemon::start(broker.port(), settings, &files).is_kept_out(&["tls failed", "certificate"]);
}

#[test]
fn a_password_is_taken_from_its_file_and_a_wrong_one_is_named_as_such() {
    let ours = authority("ours");
    let passwords = Mosquitto::password_file("tally", PASSWORD);
    let lines = "password_file {dir}/passwords\n";
    let broker = broker(&ours, &server(&ours, "localhost", 30), lines, &[("passwords", &passwords)]);
    let ca = ours.pem();
    Daemon::start(broker.port(), LOGIN, &[("ca.pem", &ca), ("mqtt-password", PASSWORD)]).works();
    Daemon::start(broker.port(), LOGIN, &[("ca.pem", &ca), ("mqtt-password", WRONG_PASSWORD)])
        .is_kept_out(&["not authorised"]);
}

#[test]
fn a_password_that_is_revoked_while_it_runs_is_named_and_a_renewed_one_lets_it_in_again() {
    let ours = authority("ours");
    let passwords = Mosquitto::password_file("tally", PASSWORD);
    let lines = "password_file {dir}/passwords\n";
    let mut broker = broker(&ours, &server(&ours, "localhost", 30), lines, &[("passwords", &passwords)]);
    let daemon = Daemon::start(broker.port(), LOGIN, &[("ca.pem", &ours.pem()), ("mqtt-password", PASSWORD)]);
    daemon.works();
    let renewed = Mosquitto::password_file("tally", WRONG_PASSWORD);
    fs::write(broker.directory().join("passwords"), renewed).expect("written");
    broker.restart();
    daemon.line_with(&["WARN", "connection is down", "not authorised"]);
    fs::write(broker.directory().join("passwords"), passwords).expect("written");
    broker.restart();
    let deadline = Instant::now() + PATIENCE;
    while daemon.log().matches(" subscribed").count() < 2 {
        assert!(Instant::now() < deadline, "not subscribed again:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    daemon.tells_no_secret();
}

#[test]
fn a_subscription_that_the_access_list_denies_is_an_error_and_never_ready() {
    let ours = authority("ours");
    // Mosquitto's acl_file grants every subscription and then delivers nothing; its plug-in refuses at SUBACK.
    let access = r#"{"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true, "subscribe": false,
        "unsubscribe": true}, "clients": [], "groups": [], "roles": []}"#;
    let lines = format!("{NO_LOGIN}plugin {DYNAMIC_SECURITY}\nplugin_opt_config_file {{dir}}/access.json\n");
    let broker = broker(&ours, &server(&ours, "localhost", 30), &lines, &[("access.json", access)]);
    let daemon = Daemon::start(broker.port(), CA, &[("ca.pem", &ours.pem())]);
    let line = daemon.line_with(&["ERROR", "the broker refuses a subscription"]);
    assert!(line.contains("ev/v1/") && line.contains("not authorised"), "{line}");
    assert!(!daemon.log().contains(" ready"), "{}", daemon.log());
    daemon.tells_no_secret();
}

#[test]
fn a_certificate_that_is_renewed_on_disk_is_taken_at_the_next_connection() {
    let (old, new) = (authority("old"), authority("new"));
    let mut broker = broker(&old, &server(&old, "localhost", 30), NO_LOGIN, &[]);
    let daemon = Daemon::start(broker.port(), CA, &[("ca.pem", &old.pem())]);
    daemon.works();
    let renewed = server(&new, "localhost", 30);
    fs::write(broker.directory().join("server.pem"), renewed.certificate).expect("written");
    fs::write(broker.directory().join("server.key"), renewed.key).expect("written");
    broker.restart();
    daemon.line_with(&["WARN", "connection is down", "certificate"]);
    fs::write(daemon.directory.path().join("ca.pem"), new.pem()).expect("written");
    let deadline = Instant::now() + PATIENCE;
    while daemon.log().matches(" subscribed").count() < 2 {
        assert!(Instant::now() < deadline, "not subscribed again:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_file_that_is_no_certificate_ends_the_daemon_with_its_name() {
    let mut daemon = Daemon::start(1, CA, &[("ca.pem", "-----BEGIN no certificate\n")]);
    daemon.line_with(&["ca.pem is not a file of certificates"]);
    let status = daemon.child.take().expect("started").wait().expect("it ends");
    assert_eq!(status.code(), Some(78), "{}", daemon.log());
}

#[test]
fn the_daemon_that_is_asked_ends_in_order_over_tls() {
    let ours = authority("ours");
    let broker = broker(&ours, &server(&ours, "localhost", 30), NO_LOGIN, &[]);
    let mut daemon = Daemon::start(broker.port(), CA, &[("ca.pem", &ours.pem())]);
    daemon.works();
    let mut child = daemon.child.take().expect("running");
    signal(child.id(), "-TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{}", daemon.log());
    assert!(daemon.log().contains("stopped unsent=0"), "{}", daemon.log());
}
