//! What the machine says: cores, clocks, memory.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Keeps this process, and all threads that it will have, on one core: the first that it may use, or the second. Where there
/// is only one, both are the same.
pub(crate) fn pin(core: usize) {
    let allowed = sched_getaffinity(None).unwrap();
    let cores: Vec<_> = (0..CpuSet::MAX_CPU)
        .filter(|core| allowed.is_set(*core))
        .collect();
    let mut one = CpuSet::new();
    one.set(cores[core.min(cores.len() - 1)]);
    sched_setaffinity(None, &one).unwrap();
}

/// Lets this process open so many descriptors, or as many as it may; answers how many.
pub(crate) fn allow_descriptors(number: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = |to: u64| {
        let limit = Rlimit {
            current: Some(to),
            maximum: maximum.map(|most| most.max(to)),
        };
        setrlimit(Resource::Nofile, limit).is_ok()
    };
    let wanted = [number, maximum.unwrap_or(number).min(number)];
    match current {
        Some(limit) if limit < number => wanted.into_iter().find(|to| raised(*to)).unwrap_or(limit),
        limit => limit.unwrap_or(u64::MAX),
    }
}

/// Microseconds of processor time that this process has used, in all of its threads.
pub(crate) fn cpu_us() -> u64 {
    micros(ClockId::ProcessCPUTime)
}

/// Microseconds of a clock that all processes of the machine share.
pub(crate) fn now_us() -> u64 {
    micros(ClockId::Monotonic)
}

fn micros(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// Bytes of memory that this process has in use.
pub(crate) fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}
