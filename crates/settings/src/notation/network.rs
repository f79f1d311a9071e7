//! Addresses to listen on, and networks.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::Notation;

impl Notation for SocketAddr {
    const FORMAT: &'static str = "address-and-port";
    const MEANING: &'static str = "an IP address and a port";
    const ADVICE: &'static str =
        "write an IP address and a port, for example \"127.0.0.1:8000\" or \"[::]:8000\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| Self::ADVICE.to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Notation for IpNet {
    const FORMAT: &'static str = "network";
    const MEANING: &'static str = "a network";
    const ADVICE: &'static str =
        "write a network such as \"10.0.0.0/8\" or an address such as \"127.0.0.1\"";

    fn read(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let network: Self = text.parse().map_err(|_| Self::ADVICE.to_owned())?;
        // A mask that does not fit its address is more often a slip than a wish.
        if network.trunc() != network {
            return Err(format!("the network is written \"{}\"", network.trunc()));
        }
        Ok(network)
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_address_is_a_network_of_one() {
        let network = IpNet::read("127.0.0.1").expect("valid");

        assert_eq!(network.write(), "127.0.0.1/32");
    }

    #[test]
    fn a_network_with_host_bits_is_refused_with_the_right_one() {
        assert_eq!(
            IpNet::read("10.1.2.3/8"),
            Err("the network is written \"10.0.0.0/8\"".to_owned())
        );
        assert!(IpNet::read("10.0.0.0/99").is_err());
    }

    #[test]
    fn an_address_needs_a_port() {
        for good in ["127.0.0.1:8000", "[::1]:8000", "127.0.0.1:0"] {
            assert!(SocketAddr::read(good).is_ok(), "{good:?} was refused");
        }
        for bad in ["127.0.0.1", "localhost:8000", ":8000", "1.2.3.4:70000"] {
            assert!(SocketAddr::read(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
