mod connecting;
mod cut;
mod guarded;
mod kept;
mod proven;
mod replies;
mod support;
