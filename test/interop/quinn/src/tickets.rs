//! Where a client keeps its tickets: in rustls's own cache, and each arrival is told.

use rustls::{
    client::{
        ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
    },
    pki_types::ServerName,
    NamedGroup,
};

use crate::report::{tell, Event};

/// As many as rustls keeps by default.
const MAX_SESSIONS: usize = 256;

#[derive(Debug)]
pub struct ToldTickets(ClientSessionMemoryCache);

impl ToldTickets {
    pub fn new() -> Self {
        Self(ClientSessionMemoryCache::new(MAX_SESSIONS))
    }
}

impl ClientSessionStore for ToldTickets {
    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server_name, value);
        tell(&Event::Ticket);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(server_name)
    }

    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(server_name)
    }

    // QUIC has TLS 1.3 and no other (RFC 9001 section 4.2).

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
}
