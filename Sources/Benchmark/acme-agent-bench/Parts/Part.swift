import ArgumentParser

/// A part of the run: related measurements, made in the same rounds.
enum Part: String, CaseIterable, ExpressibleByArgument {
    /// Signatures, compared with everything else that signs.
    case signing
    /// TLS handshakes of nginx, compared with other places for its key.
    case handshakes
    /// Many keys, a slow token, many connections, start-up.
    case scale
    /// One user beside two who open thousands of connections and flood the daemon.
    case hostile
    /// Certificates, compared with other ACME clients.
    case issuance
    /// A thousand certificates from a CA that refuses half of the nonces.
    case endurance

    /// Sets everything up, measures, and stops what was set up.
    func run(in workshop: Workshop, measure: (Plan) -> Void) throws {
        switch self {
        case .signing: try SigningPart(workshop).run(measure)
        case .handshakes: try HandshakesPart(workshop).run(measure)
        case .scale: try ScalePart(workshop).run(measure)
        case .hostile: try HostilePart(workshop).run(measure)
        case .issuance: try IssuancePart(workshop).run(measure)
        case .endurance: try EndurancePart(workshop).run(measure)
        }
    }
}
