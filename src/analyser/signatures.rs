//! One file per fault family. Each exports `SIGNATURES: &[Signature]`.

/// Declares the families: each word is a file of this folder, and its signatures join [`all`].
macro_rules! families {
    ($($family:ident),* $(,)?) => {
        $(mod $family;)*

        /// Every signature of every family.
        pub fn all() -> impl Iterator<Item = &'static super::Signature> {
            let families: &[&'static [super::Signature]] = &[$($family::SIGNATURES),*];
            families.iter().copied().flatten().collect::<Vec<_>>().into_iter()
        }
    };
}

families! {
    autoscaling,
    benign,
    certificate,
    crash_loop,
    disruption_budget,
    healthy,
    image_pull,
    init_containers,
    missing_config,
    network_policy,
    nodes,
    oom_kill,
    probes,
    quota,
    rbac_denied,
    recovered,
    rollout,
    scheduling,
    services,
    volumes,
    webhooks,
}
