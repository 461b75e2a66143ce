//! The life of a fulfilment order: ten stages, two flows, in order.
//!
//! A pharmacy portal tells its clients what becomes of their orders. A client's order is a *parent order*; each pharmacy
//! that fulfils a part of it has a *child order*. This module says what may follow what ([`Lifecycle`]), what a client wants
//! to know ([`Subscription`](crate::supplier::Subscription)), what is sent ([`StageEvent`]) and how to read what such portals
//! send ([`FulfilmentEvent`]): all of it pure, without a clock, a network or a store. [`Fulfilment`] sends stages through a
//! [`Dispatcher`](crate::Dispatcher).
//!
//! ```
//! use orderhook::event::Stage;
//! use orderhook::fulfilment::{ChildId, Lifecycle, StageEvent};
//! use orderhook::supplier::Subscription;
//!
//! let mut order = Lifecycle::new();
//! for line in [
//!     r#"{"parent_order":"P-1","child_order":"C-1","flow":"pickup","stage":"accept"}"#,
//!     r#"{"parent_order":"P-1","child_order":"C-1","flow":"pickup","stage":"shipped","data":{"delivery_pin":"0421"}}"#,
//! ] {
//!     let event = StageEvent::from_json(line.as_bytes())?;
//!     assert!(Subscription::default().wants(event.transition()));
//!     order.apply(event.transition())?;
//! }
//! assert_eq!(order.allowed(Some(&ChildId::new("C-1")?)), [Stage::Rejected, Stage::Delivered]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
#![doc = include_str!("../docs/fulfilment.md")]

mod child;
mod data;
mod diagram;
mod error;
mod flow;
mod handle;
mod json;
mod lifecycle;
mod line;
mod lives;
mod memo;
mod offered;
mod parts;
mod read;
mod refusal;
mod stage_event;
mod stage_ref;
mod table;
mod transition;
mod wanted;
mod written;

pub use child::ChildId;
pub use error::FulfilmentError;
pub use flow::{Finality, Flow, Prescription};
pub use handle::Fulfilment;
pub use lifecycle::{Child, FoldError, Lifecycle};
pub use line::FulfilmentLine;
pub use memo::MemoError;
pub use parts::{Amounts, Pharmacy, Reassignment, Rejection, Rider};
pub use read::{FulfilmentEvent, NoTransition};
pub use refusal::{NotAllowed, Refusal};
pub use stage_event::{StageEvent, StageEventError};
pub use stage_ref::StageRef;
pub use transition::{Transition, TransitionError};
pub use written::WrittenDate;
