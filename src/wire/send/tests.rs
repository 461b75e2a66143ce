mod connecting;
mod cut;
mod guarded;
mod kept;
mod replies;
mod support;
