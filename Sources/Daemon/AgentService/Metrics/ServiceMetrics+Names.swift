import PrometheusMetrics

extension ServiceMetrics {
    /// Names as Prometheus's conventions have them: base units, `_total` for what only grows.
    enum Name {
        static let signatures = "acme_agent_signatures_total"
        static let failures = "acme_agent_signature_failures_total"
        static let refusals = "acme_agent_refusals_total"
        static let signatureSeconds = "acme_agent_signature_seconds"
        static let refusedConnections = "acme_agent_refused_connections_total"
        static let connections = "acme_agent_connections"
        static let tokenReady = "acme_agent_token_ready"
        static let tokenFault = "acme_agent_token_fault"
        static let tokenWaiting = "acme_agent_token_waiting_requests"
        static let tokenInHand = "acme_agent_token_requests_in_hand"
        static let tokenRestarts = "acme_agent_token_restarts_total"
        static let logins = "acme_agent_token_logins_total"
        static let trailSequence = "acme_agent_trail_sequence"
        static let trailWritable = "acme_agent_trail_writable"
        static let trailUnsynced = "acme_agent_trail_unsynced_records"
        static let keys = "acme_agent_keys"
        static let grants = "acme_agent_grants"
        static let entriesOff = "acme_agent_configuration_entries_off"
        static let configurationLoaded = "acme_agent_configuration_loaded_timestamp_seconds"
        static let configurationRefused = "acme_agent_configuration_reload_refused"
        static let info = "acme_agent_info"
        static let startTime = "acme_agent_start_timestamp_seconds"
        static let processorSeconds = "acme_agent_processor_seconds"
    }

    static let families: [PrometheusRegistry.Family] = [
        .init(
            Name.signatures, "Signatures, by key, operation, outcome (signed, failed) and grant. A finalization has two.",
            collapsed: ["key", "grant"]),
        .init(Name.failures, "Requests that policy allowed and that were not signed, by the error's name and the token."),
        .init(Name.refusals, "Requests that were refused, by operation and reason."),
        .init(
            Name.signatureSeconds,
            "Time of a signature's request in the daemon, by stage: request (from the read until it is allowed), "
                + "intent (until the token is asked), token, outcome (until the reply), all."),
        .init(Name.refusedConnections, "Connections that were closed before their first call, by reason."),
        .init(Name.connections, "Open connections."),
        .init(Name.tokenReady, "Whether the token can sign."),
        .init(Name.tokenFault, "1 for a token that cannot sign, or whose next login will fail, by reason."),
        .init(Name.tokenWaiting, "Signatures that wait for a session of the token."),
        .init(Name.tokenInHand, "Signatures that the helper is making."),
        .init(Name.tokenRestarts, "Helpers started after the token's first."),
        .init(Name.logins, "Logins to the token."),
        .init(Name.trailSequence, "Sequence of the audit trail's last record."),
        .init(Name.trailWritable, "Whether the audit trail can be written; nothing is signed if not."),
        .init(Name.trailUnsynced, "Records of the audit trail that are not yet known to be on disk."),
        .init(Name.keys, "Keys, by usage (account, certificate) and state (active, retired)."),
        .init(Name.grants, "Grants in force."),
        .init(Name.entriesOff, "Entries of the configuration that are off, since what they name cannot be found or used."),
        .init(Name.configurationLoaded, "When the configuration in force was read, Unix seconds."),
        .init(Name.configurationRefused, "Whether the last reload was refused."),
        .init(Name.info, "1, with the daemon's version."),
        .init(Name.startTime, "When the daemon was started, Unix seconds."),
        .init(Name.processorSeconds, "Processor time that the daemon has used, without its helpers."),
    ]
}
