mod plans;
mod unclear;
