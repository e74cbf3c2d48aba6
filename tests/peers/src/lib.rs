//! What the benchmarks beside other libraries share: the libraries themselves, set up as their documentation says, and the
//! ways of measuring a process.

pub mod callgrind;
pub mod environment;
pub mod machine;
pub mod peer;
pub mod table;
