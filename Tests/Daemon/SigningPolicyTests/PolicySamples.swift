import ACME
import KeyNameLiterals

@testable import SigningPolicy

let web = Peer(uid: 1_000, gids: [1_000, 33])
let mail = Peer(uid: 2_000, gids: [2_000])
let stranger = Peer(uid: 3_000, gids: [3_000])

func origin(_ text: String = "https://acme.example") throws -> Origin { try Origin(text) }
func dns(_ text: String) throws -> Identifier { .dns(try DNSName(text)) }
func ip(_ text: String) throws -> Identifier { .ip(try IPAddress(text)) }

/// A grant for user 1000, keys `account` and `web-*`, names under www.example.org at one CA.
func webGrant(
    _ name: String = "web", peers: [PeerPattern] = [.user(1_000)], keys: [String] = ["account", "web-*"],
    operations: [String] = ["issue", "create-key"], identifiers: [String] = ["*.www.example.org"], wildcards: Bool = false,
    cas: [String] = ["https://acme.example"]
) throws -> Grant {
    Grant(
        name: name, peers: peers, keys: try keys.map { try KeyPattern($0) },
        operations: try OperationBundle.operations(named: operations), identifiers: try identifiers.map { try IdentifierPattern($0) },
        wildcards: wildcards, cas: try cas.map { try CAPattern($0) })
}

/// A question that `webGrant` covers, except for what a test changes.
func question(
    _ operation: Operation = .newOrder, peer: Peer = web, keys: [KeyName] = ["account"], identifiers: [Identifier],
    url: String = "https://acme.example/new-order", boundTo: String? = "https://acme.example"
) throws -> PolicyQuestion {
    PolicyQuestion(
        peer: peer, operation: operation, keys: keys,
        binding: try boundTo.map { CABinding(origin: try Origin($0)) },
        url: try ACMEURL(url), identifiers: identifiers)
}

extension PolicyDecision {
    var refusal: Refusal? {
        guard case .refused(let refusal) = self else { return nil }
        return refusal
    }
}
