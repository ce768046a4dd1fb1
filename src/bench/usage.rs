//! What the process has used up so far: processor time by thread, and memory, as the kernel counts them under /proc. It
//! measures nothing but this process, and must never take what the kernel does not tell for zero.

use std::collections::BTreeMap;
use std::fs;

/// Threads of the benchmark's own, which are the sender's, have names that begin so.
pub const SENDER_THREADS: &str = "bench-";

/// Processor time of the threads that live now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By thread id: its name and what it has used, ns.
    threads: BTreeMap<u32, (String, u64)>,
}

impl Usage {
    /// As of now; `None` where the kernel does not tell.
    #[must_use]
    pub fn now() -> Option<Self> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/task").ok()?.flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread that has just ended is left out: what it did is over.
            let (Ok(name), Ok(spent)) =
                (fs::read_to_string(entry.path().join("comm")), fs::read_to_string(entry.path().join("schedstat")))
            else {
                continue;
            };
            let cpu_ns = spent.split_ascii_whitespace().next()?.parse().ok()?;
            threads.insert(id, (name.trim_end().to_owned(), cpu_ns));
        }
        (!threads.is_empty()).then_some(Self { threads })
    }

    /// What each thread has used since `earlier`, ns, by name; threads of one name together.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, u64> {
        let mut spent = BTreeMap::new();
        for (id, (name, cpu_ns)) in &self.threads {
            // An id that the kernel has given to another thread since begins at nothing.
            let before = earlier.threads.get(id).filter(|(before, _)| before == name).map_or(0, |&(_, cpu_ns)| cpu_ns);
            *spent.entry(name.clone()).or_default() += cpu_ns.saturating_sub(before);
        }
        spent
    }
}

/// Memory that the process has resident now, bytes; `None` where the kernel does not tell.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

/// The machine in a few words: its processors and what they are.
#[must_use]
pub fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    format!("{cpus} x {}", model.map_or("unknown processor", |(_, model)| model.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_seen_by_its_name() {
        let worker = std::thread::Builder::new().name("worker-of-test".into()).spawn(|| {
            let before = Usage::now().expect("told");
            let mut sum = 0_u64;
            let spent = |usage: &Usage| usage.since(&before).get("worker-of-test").copied().unwrap_or_default();
            while spent(&Usage::now().expect("told")) < 3_000_000 {
                sum = (0..100_000_u64).fold(sum, |sum, n| sum.wrapping_mul(31) ^ n);
            }
            (sum, Usage::now().expect("told").since(&before))
        });
        let (_, spent) = worker.expect("a thread").join().expect("it ends");
        assert!(spent["worker-of-test"] >= 3_000_000, "{spent:?}");
        assert!(resident_bytes().is_some_and(|bytes| bytes > 100_000));
    }
}
