//! Many Applications fit in memory: what is rare is boxed.

use driftless_api::Application;
use driftless_api::application::{ResourceResult, ResourceStatus, Source};

#[test]
fn types_stay_small() {
    let sizes = [
        ("Application", size_of::<Application>(), 720),
        ("Source", size_of::<Source>(), 220),
        ("ResourceStatus", size_of::<ResourceStatus>(), 136),
        ("ResourceResult", size_of::<ResourceResult>(), 224),
    ];
    for (name, size, most) in sizes {
        assert!(
            size <= most,
            "{name} is {size} bytes, at most {most} wanted"
        );
    }
}
