mod connecting;
mod cut;
mod guarded;
mod kept;
mod proven;
mod rejections;
mod replies;
mod support;
