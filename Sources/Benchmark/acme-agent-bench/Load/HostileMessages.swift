import ACME
import AgentInterface

/// What hostile callers send.
enum HostileMessages {
    /// SplitMix64: the same numbers for the same seed.
    struct Generator: RandomNumberGenerator {
        private var state: UInt64

        init(seed: UInt64) { state = seed }

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    /// The longest message that the daemon reads (Docs/protocol.md, "Limits").
    private static let longest = 256 << 10

    static func all(_ kind: Flood.Kind, key: String, _ random: inout Generator) throws -> [[UInt8]] {
        switch kind {
        case .large:
            [try large(key: key), [UInt8](repeating: 0x20, count: longest) + [0], [UInt8](repeating: 0x5B, count: longest - 1) + [0]]
        case .invalid: (0..<64).map { _ in invalid(&random) }
        case .refused: [try refused(key: key)]
        case .unread:
            [
                Array(#"{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"org.acmeagent.Agent"}}"#.utf8)
                    + [0]
            ]
        }
    }

    /// A POST-as-GET with another's key.
    static func refused(key: String) throws -> [UInt8] {
        AgentUnderTest.message(
            .sign(
                SigningCall(
                    key: try KeyName(key), url: try ACMEURL(AgentUnderTest.origin + "/my-order/1"), nonce: "GvJIbl2Dv9GlU4AAAAAAAA",
                    account: try ACMEURL(AgentUnderTest.origin + "/my-account/1"), request: .postAsGet)))
    }

    /// A new order with a thousand long names.
    private static func large(key: String) throws -> [UInt8] {
        let label = String(repeating: "a", count: 60)
        let identifiers = try (0..<1_000).map { try Identifier(type: "dns", value: "\(label).\(label).\(label).h\($0).example.org") }
        let message = AgentUnderTest.message(
            .sign(
                SigningCall(
                    key: try KeyName(key), url: try ACMEURL(AgentUnderTest.origin + "/order-plz"), nonce: "GvJIbl2Dv9GlU4AAAAAAAA",
                    account: try ACMEURL(AgentUnderTest.origin + "/my-account/1"), request: .newOrder(NewOrder(identifiers: identifiers)))))
        guard message.count > longest / 2, message.count <= longest else {
            throw BenchError("the large message has \(message.count) bytes")
        }
        return message
    }

    private static func invalid(_ random: inout Generator) -> [UInt8] {
        let bytes = (0..<Int.random(in: 1...200, using: &random)).map { _ in UInt8.random(in: 1...255, using: &random) }
        let text: [UInt8] =
            switch Int.random(in: 0..<8, using: &random) {
            case 0: bytes
            case 1: Array(#"{"method":"org.acmeagent.Agent.GetStatus","method":"org.acmeagent.Agent.ListKeys"}"#.utf8)
            case 2: Array(#"{"method":"org.acmeagent.Agent.GetStatus","parameters":"#.utf8) + [UInt8](repeating: 0x5B, count: 1_000)
            case 3: Array(#"{"method":"org.acmeagent.Agent.SignDigest","parameters":{"digest":"AAAA"}}"#.utf8)
            case 4: Array(#"{"method":"org.acmeagent.Agent.DescribeKey","parameters":{"name":"x","digest":"AAAA"}}"#.utf8)
            case 5: Array(#"{"method":"org.acmeagent.Agent.DescribeKey","parameters":{"name":""#.utf8) + bytes + Array(#""}}"#.utf8)
            case 6: Array(#"{"method":"org.acmeagent.Agent.GetStatus"}{"method":"org.acmeagent.Agent.GetStatus"}"#.utf8)
            default: []
            }
        return text + [0]
    }
}
