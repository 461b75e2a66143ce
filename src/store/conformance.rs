//! The contract of a store as a suite.
