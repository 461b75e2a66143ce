//! What is printed: medians of the rounds, each figure by its name.

use std::collections::BTreeMap;

use super::measured::Measured;

type Results<'a> = BTreeMap<&'a str, Vec<Measured>>;

/// Every figure for which there are measurements.
pub(crate) fn figures(results: &Results<'_>) -> Vec<(&'static str, String)> {
    let of = |row: &str, value: &dyn Fn(&Measured) -> f64| -> Option<f64> {
        results
            .get(row)
            .map(|rounds| median(rounds.iter().map(value)))
    };
    let cpu = |row: &str| of(row, &Measured::cpu_us_each);
    let rate = |row: &str| of(row, &Measured::per_second);
    let other = |row: &str, name: &str| of(row, &|measured| measured.other[name]);
    let over = |over: Option<f64>, under: Option<f64>| Some(over? / under?);
    let percentile = |row: &str, of_hundred: usize| {
        of(row, &|measured| percentile(&measured.latencies, of_hundred))
    };
    let millis = |micros: Option<f64>| micros.map(|micros| micros / 1_000.0);
    let healthy = |row: &str| of(row, &worst_window);
    let found = [
        ("bare_us", cpu("bare"), 1),
        ("bare_per_s", rate("bare"), 0),
        ("layer_us", cpu("layer"), 1),
        (
            "control_same_twice",
            over(cpu("bare_again"), cpu("bare")),
            3,
        ),
        ("memory_notify_us", cpu("memory_notify"), 1),
        (
            "memory_notify_cpu_over_bare",
            over(cpu("memory_notify"), cpu("bare")),
            2,
        ),
        ("memory_body_16k_us", cpu("memory_body_16k"), 1),
        ("memory_body_256k_us", cpu("memory_body_256k"), 1),
        ("memory_worker_us", cpu("memory_worker"), 1),
        (
            "memory_worker_cpu_over_bare",
            over(cpu("memory_worker"), cpu("bare")),
            2,
        ),
        ("fdatasync_per_s", rate("fdatasync"), 0),
        ("floor_us", cpu("floor"), 1),
        ("sqlite_through_per_s", rate("sqlite_through"), 0),
        ("sqlite_through_us", cpu("sqlite_through"), 1),
        (
            "sqlite_through_commits",
            other("sqlite_through", "commits"),
            3,
        ),
        (
            "sqlite_through_us_over_floor_and_bare",
            cpu("sqlite_through").and_then(|it| Some(it / (cpu("floor")? + cpu("bare")?))),
            2,
        ),
        ("sqlite_drain_per_s", rate("sqlite_drain"), 0),
        ("sqlite_notify64_per_s", rate("sqlite_notify64"), 0),
        (
            "sqlite_notify64_commits",
            other("sqlite_notify64", "commits"),
            3,
        ),
        ("sqlite_notify1_per_s", rate("sqlite_notify1"), 0),
        (
            "sqlite_notify1_commits",
            other("sqlite_notify1", "commits"),
            2,
        ),
        ("sqlite_notify1_us", cpu("sqlite_notify1"), 0),
        (
            "sqlite_notify1_over_fdatasync",
            over(rate("sqlite_notify1"), rate("fdatasync")),
            3,
        ),
        (
            "latency_memory_p50_ms",
            millis(percentile("latency_memory", 50)),
            3,
        ),
        (
            "latency_memory_p99_over_p50",
            over(
                percentile("latency_memory", 99),
                percentile("latency_memory", 50),
            ),
            2,
        ),
        (
            "latency_sqlite_p50_ms",
            millis(percentile("latency_sqlite", 50)),
            3,
        ),
        (
            "latency_sqlite_p99_over_p50",
            over(
                percentile("latency_sqlite", 99),
                percentile("latency_sqlite", 50),
            ),
            2,
        ),
        ("sqlite_spread_us", cpu("sqlite_spread"), 0),
        ("healthy_rate_1pct", healthy("healthy_1pct"), 3),
        ("healthy_rate_5pct", healthy("healthy_5pct"), 3),
        (
            "many_suppliers_memory",
            over(rate("many_memory_all"), rate("many_memory_one")),
            2,
        ),
        (
            "many_suppliers_sqlite",
            over(rate("many_sqlite_all"), rate("many_sqlite_one")),
            2,
        ),
        (
            "claim_million_over_10k",
            over(
                other("claim_million", "median_us"),
                other("claim_10k", "median_us"),
            ),
            2,
        ),
        (
            "claim_dead_million_over_10k",
            over(
                other("claim_dead_million", "median_us"),
                other("claim_10k", "median_us"),
            ),
            2,
        ),
        (
            "rss_bytes_per_hanging_call",
            other("rss_hanging", "bytes_each"),
            0,
        ),
        ("rss_hanging_calls", other("rss_hanging", "calls"), 0),
        (
            "rss_bytes_per_finished",
            other("rss_finished", "bytes_each"),
            0,
        ),
        (
            "rss_bytes_with_a_million_waiting",
            other("rss_backlog", "bytes"),
            0,
        ),
    ];
    found
        .into_iter()
        .filter_map(|(name, value, digits)| Some((name, format!("{:.digits$}", value?))))
        .collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn percentile(values: &[u64], of_hundred: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values[(values.len() - 1) * of_hundred / 100] as f64
}

/// What arrived over what was offered, for those who answer, in the worst window of five seconds.
fn worst_window(measured: &Measured) -> f64 {
    const WINDOW: u64 = 5_000_000;
    let began = measured.other["began_us"] as u64;
    let windows = measured.wall_us / WINDOW;
    let mut arrived = vec![0.0; windows as usize];
    for at in &measured.arrivals {
        let window = (at.saturating_sub(began) / WINDOW) as usize;
        if let Some(arrived) = arrived.get_mut(window) {
            *arrived += 1.0;
        }
    }
    let offered = measured.number as f64 * WINDOW as f64 / measured.wall_us as f64;
    let healthy = offered * measured.other["healthy"];
    arrived.into_iter().fold(f64::INFINITY, f64::min) / healthy
}
