//! What is sent: a stage with its data, made in code or read from a line of an events file.

mod events_file;
mod stage_data;
pub(super) mod stage_event;
