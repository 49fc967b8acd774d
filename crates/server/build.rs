//! Tells cargo when the embedded UI changed. Writes nothing.

fn main() {
    // Debug builds read `ui/dist` at run time, so only release builds depend on it. Where it is
    // missing, cargo asks again at every build, which is what a release build wants.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed=../../ui/dist");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
