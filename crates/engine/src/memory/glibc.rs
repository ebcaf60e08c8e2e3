/// Takes some milliseconds for each hundred megabytes.
pub(super) fn trim() {
    #[expect(unsafe_code, reason = "no safe wrapper knows malloc_trim")]
    // SAFETY: it takes a number, locks what it looks at, and touches free memory only.
    let given_back = unsafe { libc::malloc_trim(0) } == 1;
    tracing::trace!(given_back, "freed memory was looked through");
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let (number, _) = line.unwrap().trim().split_once(' ').unwrap();
        number.parse().unwrap()
    }

    #[test]
    fn what_other_threads_freed_is_given_back() {
        const PIECES: usize = 200_000;
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    let mut pieces: Vec<String> = (0..PIECES).map(|_| "x".repeat(200)).collect();
                    // What lives on at the end of an arena keeps all below it.
                    black_box(pieces.pop())
                })
            })
            .collect();
        let kept: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        let before = resident_kib();
        trim();
        let after = resident_kib();
        assert!(
            after + 64 * 1024 < before,
            "{before} kB before, {after} kB after"
        );
        drop(black_box(kept));
    }
}
