use super::*;

fn guard(allowed: &[&str]) -> Guard {
    Guard::new(allowed.iter().map(|text| text.parse().unwrap()).collect())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn judge(guard: &Guard, url: &str) -> Result<Target, Blocked> {
    guard.judge_url(&Url::parse(url).unwrap())
}

#[test]
fn every_special_ipv4_range_is_exact_at_both_borders() {
    let ranges = [
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "255.255.255.255"),
    ];
    for (first, last) in ranges {
        let bits = |text: &str| text.parse::<Ipv4Addr>().unwrap().to_bits();
        assert!(!is_global(ip(first)), "{first}");
        assert!(!is_global(ip(last)), "{last}");
        for outside in [bits(first).checked_sub(1), bits(last).checked_add(1)]
            .into_iter()
            .flatten()
        {
            let outside = IpAddr::V4(Ipv4Addr::from_bits(outside));
            assert!(is_global(outside), "{outside}, beside {first}");
        }
    }
}

#[test]
fn ipv6_is_global_in_2000_3_only_and_exact_at_every_border() {
    let table = [
        ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
        ("2000::", true),
        ("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("2001::", false),
        ("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", false),
        ("2001:200::", true),
        ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("2001:db8::", false),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", false),
        ("2001:db9::", true),
        ("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("2003::", true),
        ("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("3fff::", false),
        ("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", false),
        ("3fff:1000::", true),
        ("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true),
        ("4000::", false),
        ("::", false),
        ("::1", false),
        ("::8.8.8.8", false),
        ("64:ff9b:1::808:808", false),
        ("100::1", false),
        ("5f00::1", false),
        ("fc00::1", false),
        ("fdff::1", false),
        ("fe80::1", false),
        ("fec0::1", false),
        ("ff02::1", false),
    ];
    for (text, global) in table {
        assert_eq!(is_global(ip(text)), global, "{text}");
    }
}

#[test]
fn wrapped_ipv4_is_judged_by_the_address_inside() {
    for inside in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.1.1",
        "8.8.8.8",
        "223.255.255.255",
    ] {
        let [a, b, c, d] = inside.parse::<Ipv4Addr>().unwrap().octets();
        let forms = [
            format!("::ffff:{inside}"),
            format!("64:ff9b::{inside}"),
            format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
        ];
        for form in forms {
            assert_eq!(unwrapped(ip(&form)), ip(inside), "{form}");
            assert_eq!(is_global(ip(&form)), is_global(ip(inside)), "{form}");
            assert!(guard(&[inside]).judge_literal(ip(&form)).is_ok(), "{form}");
            assert_eq!(
                guard(&["::/0"]).judge_literal(ip(&form)),
                Err(Blocked::Literal),
                "{form}"
            );
        }
    }
}

#[test]
fn a_literal_is_blocked_in_every_spelling() {
    let home = [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "127.1",
        "127.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.０.０.１",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
    ];
    for host in home {
        for port in ["", ":443", ":8443"] {
            assert_eq!(
                judge(&guard(&[]), &format!("https://{host}{port}/x")),
                Err(Blocked::Literal),
                "{host}{port}"
            );
        }
    }
    assert_eq!(
        judge(&guard(&[]), "https://8.8.8.8/"),
        Err(Blocked::Literal),
        "a public literal too"
    );
    assert_eq!(
        judge(&guard(&[]), "https://[2600::1]/"),
        Err(Blocked::Literal)
    );
}

#[test]
fn an_allow_listed_literal_passes_on_any_port() {
    let guard = guard(&["127.0.0.0/8", "::1/128", "8.8.8.8"]);
    for (url, address) in [
        ("https://127.0.0.1/", "127.0.0.1"),
        ("https://2130706433:8443/", "127.0.0.1"),
        ("https://[::1]:1/", "::1"),
        ("https://[::ffff:127.9.9.9]:444/", "::ffff:127.9.9.9"),
        ("https://8.8.8.8/", "8.8.8.8"),
    ] {
        assert_eq!(
            judge(&guard, url),
            Ok(Target::Literal(ip(address))),
            "{url}"
        );
    }
    assert_eq!(judge(&guard, "https://[::2]/"), Err(Blocked::Literal));
    assert_eq!(judge(&guard, "https://8.8.8.9/"), Err(Blocked::Literal));
}

#[test]
fn a_metadata_address_is_never_dialled_even_if_allow_listed() {
    let guard = guard(&["0.0.0.0/0", "::/0"]);
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "::169.254.169.254",
        "::ffff:168.63.129.16",
    ] {
        let host = if address.contains(':') {
            format!("[{address}]")
        } else {
            address.to_owned()
        };
        assert_eq!(
            judge(&guard, &format!("https://{host}/")),
            Err(Blocked::Metadata),
            "{address}"
        );
        for reach in [
            Reach::Public,
            Reach::Listed(Because::Port),
            Reach::Listed(Because::LocalName),
        ] {
            let answers = [ip("10.0.0.1"), ip(address)];
            assert_eq!(
                guard.judge_answers(reach, &answers),
                Err(Blocked::Metadata),
                "{address}"
            );
        }
    }
    assert_eq!(
        judge(&guard, "https://2852039166/"),
        Err(Blocked::Metadata),
        "169.254.169.254 as one number"
    );
    assert!(judge(&guard, "https://169.254.169.253/").is_ok());
}

#[test]
fn localhost_is_the_loopback_addresses_that_the_allow_list_names() {
    let (v4, v6) = (ip("127.0.0.1"), ip("::1"));
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "shop.localhost",
        "a.b.localhost.",
    ] {
        for port in ["", ":8443"] {
            let url = format!("https://{host}{port}/");
            assert_eq!(judge(&guard(&[]), &url), Err(Blocked::LocalName), "{url}");
            assert_eq!(
                judge(&guard(&["10.0.0.0/8", "127.0.0.2"]), &url),
                Err(Blocked::LocalName),
                "{url}"
            );
            assert_eq!(
                judge(&guard(&["127.0.0.0/8"]), &url),
                Ok(Target::Loopback(vec![v4])),
                "{url}"
            );
            assert_eq!(
                judge(&guard(&["::1"]), &url),
                Ok(Target::Loopback(vec![v6])),
                "{url}"
            );
            assert_eq!(
                judge(&guard(&["::1", "127.0.0.1"]), &url),
                Ok(Target::Loopback(vec![v4, v6])),
                "{url}"
            );
        }
    }
}

#[test]
fn name_and_port_decide_where_the_answers_may_lie() {
    let local = Reach::Listed(Because::LocalName);
    let table = [
        ("https://hooks.example.com/", Reach::Public),
        ("https://hooks.example.com:443/", Reach::Public),
        ("https://hooks.example.com./", Reach::Public),
        (
            "https://hooks.example.com:8443/",
            Reach::Listed(Because::Port),
        ),
        (
            "https://hooks.example.com:80/",
            Reach::Listed(Because::Port),
        ),
        ("https://notlocalhost.com/", Reach::Public),
        ("https://mylocal.example/", Reach::Public),
        ("https://notlocal.xlocal/", Reach::Public),
        ("https://intranet/", local),
        ("https://intranet./", local),
        ("https://notlocalhost/", local),
        ("https://printer.local/", local),
        ("https://printer.LOCAL./", local),
        ("https://printer.local:8443/", local),
        ("https://box.localdomain/", local),
        ("https://metadata.google.internal/", local),
    ];
    for (url, reach) in table {
        assert_eq!(
            judge(&guard(&["127.0.0.1"]), url),
            Ok(Target::Name { reach }),
            "{url}"
        );
    }
}

#[test]
fn one_bad_answer_blocks_the_whole_name() {
    let guard = guard(&["10.0.0.0/8"]);
    let (public, listed, private) = (ip("8.8.8.8"), ip("10.2.3.4"), ip("192.168.1.1"));
    let table: [(Reach, &[IpAddr], Result<(), Blocked>); 10] = [
        (Reach::Public, &[public], Ok(())),
        (Reach::Public, &[public, listed], Ok(())),
        (Reach::Public, &[public, private], Err(Blocked::Address)),
        (Reach::Public, &[private, public], Err(Blocked::Address)),
        (
            Reach::Public,
            &[public, ip("::ffff:127.0.0.1")],
            Err(Blocked::Address),
        ),
        (Reach::Listed(Because::Port), &[listed], Ok(())),
        (
            Reach::Listed(Because::Port),
            &[listed, public],
            Err(Blocked::Port),
        ),
        (Reach::Listed(Because::Port), &[private], Err(Blocked::Port)),
        (Reach::Listed(Because::LocalName), &[listed], Ok(())),
        (
            Reach::Listed(Because::LocalName),
            &[public],
            Err(Blocked::LocalName),
        ),
    ];
    for (reach, answers, verdict) in table {
        assert_eq!(
            guard.judge_answers(reach, answers),
            verdict,
            "{reach:?} {answers:?}"
        );
    }
}

#[test]
fn a_network_reads_back_as_it_is_written() {
    for (text, shown) in [
        ("127.0.0.0/8", "127.0.0.0/8"),
        ("127.1.2.3/8", "127.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("::1/128", "::1/128"),
        ("fd00::/8", "fd00::/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
    ] {
        let network: Network = text.parse().unwrap();
        assert_eq!(network.to_string(), shown);
        assert_eq!(shown.parse(), Ok(network));
    }
}

#[test]
fn what_is_no_network_is_an_error_that_says_so() {
    for text in [
        "",
        "localhost",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0/8",
        "::/129",
        "10.0.0.0/8 ",
        "10.0.0.0-10.0.0.9",
    ] {
        let error = text.parse::<Network>().unwrap_err();
        assert!(
            error.to_string().contains("neither an IP network"),
            "{error}"
        );
    }
}
