import ACME

/// Why a server's answer could not be had or used.
public enum DNSError: Error, Hashable, Sendable, CustomStringConvertible {
    case name(String)
    case outOfMemory
    /// No connection.
    /// - Parameter isLocal: this host has no way to such an address.
    case unreachable(DNSServer, reason: String, isLocal: Bool = false)
    case noAnswer(DNSServer, after: Duration)
    /// What came is no answer.
    case unreadable(DNSServer)
    /// A query's answer.
    case refused(DNSServer, DNSMessage.Question, ResponseCode)
    case updateRefused(DNSServer, zone: DomainName, ResponseCode, TSIGFault?)
    /// The answer to an update is not signed with our key, so it may be anybody's.
    case unsigned(DNSServer)
    /// The answer's signature does not fit.
    case badSignature(DNSServer, TSIGFault)
    /// More aliases than any set-up needs, or a loop of them.
    case aliases(DomainName)
    case noZone(DomainName)
    case noServers(zone: DomainName)
    case tooManyServers(zone: DomainName, Int)
    case noAddress(DomainName)
    case noResolver

    /// Whether nothing came at all.
    var isSilence: Bool { if case .noAnswer = self { true } else { false } }

    /// Whether the same request may succeed later. What a server refuses, it refuses until somebody changes something.
    public var isPassing: Bool {
        switch self {
        case .unreachable, .noAnswer, .outOfMemory: true
        case .refused(_, _, let code): code == .serverFailure
        case .updateRefused(_, _, let code, let fault): code == .serverFailure && fault == nil
        case .name, .unreadable, .unsigned, .badSignature, .aliases, .noZone, .noServers, .tooManyServers, .noAddress, .noResolver: false
        }
    }

    public var description: String {
        switch self {
        case .name(let text): return "\"\(text)\" is not a domain name"
        case .outOfMemory: return "there is not enough memory for a DNS message"
        case .unreachable(let server, let reason, _): return "the DNS server \(server) cannot be reached: \(reason)"
        case .noAnswer(let server, let time): return "the DNS server \(server) did not answer within \(time.components.seconds) s"
        case .unreadable(let server): return "the DNS server \(server) sent something that is not a DNS answer"
        case .refused(let server, let question, let code):
            return "the DNS server \(server) answered \(code) when asked for \(question.name)"
        case .updateRefused(let server, let zone, let code, let fault):
            return "the DNS server \(server) did not accept the update of the zone \(zone): \(fault.map { "\($0)" } ?? "\(code)")"
        case .unsigned(let server): return "the DNS server \(server) did not sign its answer to the update"
        case .badSignature(let server, let fault):
            return "the signature of the DNS server \(server) on its answer to the update is not valid (\(fault))"
        case .aliases(let name): return "\(name) is an alias (CNAME) that leads through too many names or back to itself"
        case .noZone(let name): return "no zone was found for \(name)"
        case .noServers(let zone): return "the zone \(zone) names no server that has an address"
        case .tooManyServers(let zone, let count): return "the zone \(zone) names \(count) servers, which is more than can be asked"
        case .noAddress(let name): return "the DNS server \(name) has no address"
        case .noResolver: return "no resolver is configured"
        }
    }

    /// What the user can do about it.
    public var hint: String? {
        switch self {
        case .updateRefused(_, _, _, .badKey):
            return "the server has no key of that name, or with another algorithm: compare its configuration with the file of --dns-key"
        case .updateRefused(_, _, _, .badSignature), .badSignature(_, .badSignature):
            return "the secret in the file of --dns-key is not the server's"
        case .updateRefused(_, _, _, .badTime), .badSignature(_, .badTime):
            return "the clocks of this machine and of the server differ by more than 5 minutes: timedatectl status"
        case .updateRefused(_, _, .refused, _):
            return "the server must allow updates of this record, with update-policy (BIND) or an acl with action update (Knot), "
                + "for the key of --dns-key"
        case .updateRefused(_, let zone, .notAuthoritative, _):
            return "the server is not the primary of \(zone): --dns-update SERVER names the one that takes updates"
        case .updateRefused(_, let zone, .notInZone, _): return "the record is not in the zone \(zone) of that server"
        case .updateRefused(_, let zone, .serverFailure, _):
            return "the server's log says why; often it cannot write the file or journal of the zone \(zone)"
        case .updateRefused(_, _, .notImplemented, _): return "the server does not take updates (RFC 2136)"
        case .unsigned: return "--dns-update must name the server that has the key of --dns-key, not a forwarder"
        case .noAnswer, .unreachable: return "check the address, and that firewalls pass port 53 over UDP and TCP"
        case .refused(_, _, .refused), .refused(_, _, .serverFailure):
            return "--dns-resolver IP[:PORT] names another resolver than those of /etc/resolv.conf"
        case .aliases: return "the CNAME must lead to the name of the record to update"
        case .noResolver: return "--dns-resolver IP[:PORT] names one, or /etc/resolv.conf does"
        case .noZone, .noAddress, .noServers: return "check the delegation of the zone, or use another resolver: --dns-resolver IP[:PORT]"
        default: return nil
        }
    }
}
