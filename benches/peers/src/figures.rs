//! What is printed: medians of the rounds, each figure by its name.

use std::collections::BTreeMap;

use super::measured::Measured;

pub(crate) type Results<'a> = BTreeMap<&'a str, Vec<Measured>>;

/// The rate and the processor time of each row, and what orderhook is over its peers.
pub(crate) fn figures(results: &Results<'_>) -> Vec<(String, String)> {
    let rate = |row: &str| median(results[row].iter().map(Measured::per_second));
    let cpu = |row: &str| median(results[row].iter().map(Measured::cpu_us_each));
    let mut found = Vec::new();
    for row in ["webhooksmith", "by_hand_plain", "by_hand", "orderhook"] {
        found.push((format!("{row}_per_s"), format!("{:.0}", rate(row))));
        found.push((format!("{row}_us"), format!("{:.1}", cpu(row))));
    }
    let ratios = [
        ("sqlite_over_webhooksmith", "orderhook", "webhooksmith", 1),
        ("sqlite_over_by_hand", "orderhook", "by_hand", 2),
        ("peers_control_same_twice", "by_hand_again", "by_hand", 3),
    ];
    for (name, over, under, digits) in ratios {
        let ratio = rate(over) / rate(under);
        found.push((name.to_owned(), format!("{ratio:.digits$}")));
    }
    found
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
