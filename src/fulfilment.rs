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

mod handle;
mod life;
mod portal_json;
mod received;
mod sent;

pub use handle::Fulfilment;
pub use handle::error::FulfilmentError;
pub use life::child::ChildId;
pub use life::flow::{Finality, Flow, Prescription};
pub use life::lifecycle::{Child, FoldError, Lifecycle};
pub use life::memo::MemoError;
pub use life::refusal::{NotAllowed, Refusal};
pub use life::transition::{Transition, TransitionError};
pub use received::details::{Amounts, Pharmacy, Reassignment, Rejection, Rider};
pub use received::event::{FulfilmentEvent, NoTransition};
pub use received::line::FulfilmentLine;
pub use received::portal_date::WrittenDate;
pub use received::stage_ref::StageRef;
pub use sent::stage_event::{StageEvent, StageEventError};
