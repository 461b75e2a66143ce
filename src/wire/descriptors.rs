//! How many file descriptors this process may open.

/// What is assumed where a system does not tell: the usual limit.
const USUAL: u64 = 1024;

/// The soft limit of open file descriptors; `u64::MAX` where there is none.
pub(crate) fn limit() -> u64 {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .current
        .unwrap_or(u64::MAX);
    #[cfg(not(unix))]
    USUAL
}

/// How many connections may be kept idle over all hosts: a quarter of the limit. No more than 4,096: so many are
/// of no use within the few seconds for which they are kept.
pub(crate) fn for_idle_connections() -> usize {
    usize::try_from(limit() / 4)
        .unwrap_or(usize::MAX)
        .clamp(1, 4 * USUAL as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connections_have_a_quarter_of_the_limit_at_most() {
        assert!(for_idle_connections() as u64 <= (limit() / 4).max(1));
        assert!(for_idle_connections() <= 4096);
    }
}
