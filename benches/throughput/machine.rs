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

/// Lets this process open so many descriptors, if it may raise its limit so far.
pub(crate) fn allow_descriptors(number: u64) {
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= number);
    if is_enough(limit.current) {
        return;
    }
    let raised = Rlimit {
        current: Some(number),
        maximum: limit.maximum.map(|most| most.max(number)),
    };
    setrlimit(Resource::Nofile, raised)
        .expect("the limit of open files has to be raised for this row");
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
