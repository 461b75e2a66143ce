mod connecting;
mod guarded;
mod replies;
mod support;
