//! Which way is open on which nodes.

use std::collections::BTreeMap;

use driftless_rollout::fit::{
    Ask, Cluster, Held, Node, Operator, Requirement, Resources, Shape, Taint, Toleration, Verdict,
};

const GPU: &str = "nvidia.com/gpu";

fn amounts(gpus: i64) -> Resources {
    BTreeMap::from([
        (GPU.to_owned(), gpus * 1000),
        ("cpu".to_owned(), gpus * 4000),
    ])
}

fn node(name: &str, gpus: i64) -> Node {
    Node {
        name: name.into(),
        free: amounts(gpus),
        ..Node::default()
    }
}

fn ask(gpus: i64, replicas: u32) -> Ask {
    Ask {
        namespace: "models".into(),
        gang: vec![Shape {
            requests: amounts(gpus),
            count: 1,
            ..Shape::default()
        }],
        replicas,
        ..Ask::default()
    }
}

fn check(nodes: Vec<Node>, ask: &Ask) -> Verdict {
    Cluster::new(nodes, BTreeMap::new(), std::slice::from_ref(ask)).check(ask)
}

fn why(verdict: Verdict) -> String {
    match verdict {
        Verdict::Hold { reason }
        | Verdict::InPlace { reason }
        | Verdict::Partial { reason, .. } => reason,
        Verdict::Surge => String::new(),
    }
}

#[test]
fn beside_partly_in_place_or_not_at_all() {
    assert_eq!(
        check(vec![node("a", 2), node("b", 1)], &ask(1, 3)),
        Verdict::Surge
    );
    assert!(matches!(
        check(vec![node("a", 2)], &ask(1, 3)),
        Verdict::Partial { pods: 2, .. }
    ));
    // The one GPU there is holds the old pod.
    let mut one = ask(1, 1);
    one.old = vec![Held {
        node: "a".into(),
        requests: amounts(1),
    }];
    assert!(matches!(
        check(vec![node("a", 0)], &one),
        Verdict::InPlace { .. }
    ));
    let verdict = check(vec![node("a", 0)], &ask(1, 1));
    assert_eq!(
        why(verdict),
        "0 of 1 new replicas fit beside the old ones: of 1 nodes 1 without 4 free cpu"
    );
    // Larger than before: stopping the old one would not help.
    one.gang[0].requests = amounts(2);
    assert!(matches!(
        check(vec![node("a", 0)], &one),
        Verdict::Hold { .. }
    ));
    assert!(matches!(check(vec![], &ask(1, 1)), Verdict::Hold { .. }));
}

#[test]
fn taints_labels_and_closed_nodes() {
    let tainted = Node {
        taints: vec![Taint {
            key: GPU.into(),
            value: "present".into(),
            effect: "NoSchedule".into(),
        }],
        ..node("a", 8)
    };
    let closed = Node {
        closed: true,
        ..node("b", 8)
    };
    let mut one = ask(1, 1);
    let text = why(check(vec![tainted.clone(), closed], &one));
    assert!(
        text.ends_with("of 2 nodes 1 cordoned or not ready, 1 tainted"),
        "{text}"
    );
    one.gang[0].tolerations = vec![Toleration {
        key: Some(GPU.into()),
        value: None,
        effect: None,
    }];
    assert_eq!(check(vec![tainted.clone()], &one), Verdict::Surge);
    one.gang[0].selector.insert("gpu".into(), "h100".into());
    assert!(why(check(vec![tainted.clone()], &one)).contains("without the labels"));
    let labelled = Node {
        labels: BTreeMap::from([("gpu".into(), "h100".into())]),
        ..tainted
    };
    assert_eq!(check(vec![labelled], &one), Verdict::Surge);
}

#[test]
fn a_gang_fits_as_a_whole() {
    let rack = |name: &str, gpus, rack: &str| Node {
        labels: BTreeMap::from([("rack".into(), rack.into())]),
        ..node(name, gpus)
    };
    let mut gang = ask(4, 1);
    gang.gang[0].count = 2;
    let spread = vec![rack("a", 4, "1"), rack("b", 4, "2")];
    assert_eq!(check(spread.clone(), &gang), Verdict::Surge);
    gang.together = Some("rack".into());
    assert!(matches!(check(spread, &gang), Verdict::Hold { .. }));
    assert_eq!(
        check(
            vec![rack("a", 4, "1"), rack("b", 4, "2"), rack("c", 4, "2")],
            &gang
        ),
        Verdict::Surge
    );
    let mut leader = ask(1, 2);
    leader.gang.push(Shape {
        requests: amounts(4),
        count: 3,
        ..Shape::default()
    });
    assert!(matches!(
        check(vec![node("a", 13), node("b", 12)], &leader),
        Verdict::Partial { pods: 1, .. }
    ));
}

#[test]
fn quota_and_places_set_aside() {
    let quota = BTreeMap::from([(
        "models".to_owned(),
        BTreeMap::from([(GPU.to_owned(), 2000)]),
    )]);
    let asks = [ask(1, 2), ask(1, 1)];
    let mut cluster = Cluster::new(vec![node("a", 8)], quota, &asks);
    assert_eq!(cluster.check(&asks[0]), Verdict::Surge);
    let text = why(cluster.check(&asks[1]));
    assert!(
        text.ends_with("the quota of models leaves 0 nvidia.com/gpu, one replica needs 1"),
        "{text}"
    );
    let mut cluster = Cluster::new(vec![node("a", 2)], BTreeMap::new(), &asks);
    assert_eq!(cluster.check(&asks[0]), Verdict::Surge);
    assert!(matches!(cluster.check(&asks[1]), Verdict::Hold { .. }));
}

#[test]
fn many_models_on_many_nodes() {
    let nodes: Vec<Node> = (0..5000)
        .map(|index| Node {
            labels: BTreeMap::from([
                ("pool".into(), format!("p{}", index % 10)),
                ("host".into(), format!("h{index}")),
            ]),
            taints: vec![Taint {
                key: GPU.into(),
                value: String::new(),
                effect: "NoSchedule".into(),
            }],
            ..node(&format!("n{index}"), index % 9)
        })
        .collect();
    let asks: Vec<Ask> = (0..500)
        .map(|index| {
            let mut ask = ask(1 + i64::from(index % 8), 1 + index % 6);
            ask.gang[0]
                .selector
                .insert("pool".into(), format!("p{}", index % 10));
            ask.gang[0].tolerations = vec![Toleration {
                key: Some(GPU.into()),
                value: None,
                effect: None,
            }];
            ask
        })
        .collect();
    let begin = std::time::Instant::now();
    let mut cluster = Cluster::new(nodes, BTreeMap::new(), &asks);
    let built = begin.elapsed();
    let begin = std::time::Instant::now();
    let verdicts: Vec<Verdict> = asks.iter().map(|ask| cluster.check(ask)).collect();
    println!(
        "500 models on 5000 nodes: read in {built:?}, checked in {:?}",
        begin.elapsed()
    );
    assert!(
        verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::Surge)
            .count()
            > 400
    );
}

#[test]
fn required_node_affinity_is_heeded() {
    let of = |name: &str, memory: &str| {
        let mut node = node(name, 8);
        node.labels = BTreeMap::from([("gpu.memory".to_owned(), memory.to_owned())]);
        node
    };
    let nodes = || vec![of("a", "40"), of("b", "80"), of("c", "80")];
    let pods = |terms: Vec<Vec<Requirement>>| {
        let mut ask = ask(8, 3);
        ask.gang[0].affinity = Some(terms);
        match check(nodes(), &ask) {
            Verdict::Surge => 3,
            Verdict::Partial { pods, .. } => pods,
            _ => 0,
        }
    };
    let label = |operator, values: &[&str]| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Requirement::label("gpu.memory", operator, values)
    };
    assert_eq!(pods(vec![vec![label(Operator::In, &["80", "96"])]]), 2);
    assert_eq!(pods(vec![vec![label(Operator::NotIn, &["80"])]]), 1);
    assert_eq!(pods(vec![vec![label(Operator::Gt, &["40"])]]), 2);
    assert_eq!(pods(vec![vec![label(Operator::Lt, &["80"])]]), 1);
    assert_eq!(pods(vec![vec![label(Operator::Exists, &[])]]), 3);
    assert_eq!(pods(vec![vec![label(Operator::DoesNotExist, &[])]]), 0);
    // Terms are alternatives; the requirements of one hold together, and an empty one never does.
    let named = |name: &str| Requirement::name(Operator::In, vec![name.to_owned()]);
    assert_eq!(pods(vec![vec![named("a")], vec![named("c")]]), 2);
    assert_eq!(
        pods(vec![vec![named("a"), label(Operator::Gt, &["40"])]]),
        0
    );
    assert_eq!(pods(vec![vec![]]), 0);
    let mut ask = ask(8, 1);
    ask.gang[0].affinity = Some(vec![vec![named("elsewhere")]]);
    let why = why(check(nodes(), &ask));
    assert!(
        why.contains("3 outside the required node affinity"),
        "{why}"
    );
}
