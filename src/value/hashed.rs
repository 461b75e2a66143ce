//! Tables in memory that every delivery looks into many times.
//!
//! Their keys are ids that the application has given, so they are hashed fast, with less protection against keys that were
//! chosen to collide than the standard library has; the seeds differ from process to process all the same.

use std::collections::{HashMap, HashSet};

pub(crate) use foldhash::fast::RandomState as FastState;

pub(crate) type FastMap<K, V> = HashMap<K, V, FastState>;
pub(crate) type FastSet<K> = HashSet<K, FastState>;
