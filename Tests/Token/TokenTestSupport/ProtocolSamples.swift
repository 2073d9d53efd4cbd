import JOSE
import TokenProtocol

/// One of each message, with every optional field both ways.
public enum ProtocolSamples {
    public static let reference = TokenKeyReference(id: [1, 2, 3], label: "wéb", spki: [UInt8](repeating: 7, count: 91))
    public static let key = TokenKey(reference: reference, algorithm: .p384, weaknesses: [.wasExtractable, .signsWithRecovery])
    public static let configuration = TokenConfiguration(
        name: "main", module: "/usr/lib/softhsm/libsofthsm2.so", uri: "pkcs11:token=main", pinSource: "/etc/pin", pool: 3,
        stateDirectory: "/var/lib/x", environment: ["SOFTHSM2_CONF": "/etc/softhsm2.conf", "B": ""])
    public static let information = TokenInformation(
        label: "main", manufacturer: "SoftHSM project", model: "SoftHSM v2", serial: "00af", algorithms: KeyAlgorithm.allCases,
        isLoggedIn: true)

    public static var requests: [HelperRequest] {
        var withoutPIN = configuration
        withoutPIN.pinSource = nil
        withoutPIN.environment = [:]
        var requests: [HelperRequest] = [
            .hello(configuration), .hello(withoutPIN), .status, .find(uri: "pkcs11:object=web;type=private"), .list, .prepare,
            .destroy(reference), .settle(label: "a", id: [UInt8](repeating: 5, count: TokenLimits.uniqueID)),
        ]
        for mechanism in SigningMechanism.allCases {
            let count: Int
            switch mechanism {
            case .rsaPKCS1SHA384, .rsaPSSSHA384: count = 48
            case .rsaPKCS1SHA512, .rsaPSSSHA512: count = 64
            default: count = 32
            }
            requests.append(.sign(reference, mechanism, [UInt8](repeating: 9, count: count)))
        }
        for algorithm in KeyAlgorithm.allCases { requests.append(.generate(label: "a", id: [0], algorithm: algorithm)) }
        return requests
    }

    public static var replies: [HelperReply] {
        var replies: [HelperReply] = [
            .ready(information), .signature([]), .signature([UInt8](repeating: 1, count: 512)), .key(key), .keys([], more: false),
            .keys([key, key], more: true), .done, .settled(nil), .settled(key),
        ]
        for kind in TokenFailure.Kind.allCases { replies.append(.failure(TokenFailure(kind, message: "no"))) }
        replies.append(.failure(TokenFailure(.device, function: "C_Sign", returnValue: .max, message: "broken", hint: "look at it")))
        for doubt in [true, false] { replies.append(.failure(TokenFailure(.tokenFull, message: "no", mayHaveHappened: doubt))) }
        return replies
    }

    public static func bytes(_ request: HelperRequest, id: UInt32 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        request.encode(id: id, to: &bytes)
        return bytes
    }

    public static func bytes(_ reply: HelperReply, id: UInt32 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        reply.encode(id: id, to: &bytes)
        return bytes
    }
}

extension FrameDecoder {
    public mutating func append(_ bytes: some Sequence<UInt8>) { Array(bytes).withUnsafeBytes { append($0) } }
}

/// SplitMix64: the same numbers on every run.
public struct SeededGenerator: RandomNumberGenerator {
    public var state: UInt64

    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// The result of a mutating call; `#expect` cannot expand such a call itself.
public func got<Value>(_ value: Value) -> Value { value }
