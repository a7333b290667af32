//! What takes long, or needs more of the machine than an ordinary test: each part does little in the ordinary run and more when `./run`
//! asks for it.

mod corpora;
mod power_cut;
