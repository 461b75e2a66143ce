mod connecting;
mod cut;
mod guarded;
mod replies;
mod support;
