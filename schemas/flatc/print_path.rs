//! Prints where the build put flatc.

fn main() {
    println!("{}", flatc_fork::flatc().display());
}
