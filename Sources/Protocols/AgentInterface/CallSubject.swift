import ACME
import StrictJSON

/// What a call is about, read before the members that make its reading long: operation and keys. Policy is asked for these first, so that who has
/// no grant for them costs no work that grows with the call.
public struct CallSubject: Sendable {
    public let operation: Operation
    /// The signing key's name.
    public let key: KeyName
    /// The certificate key's name in a finalization.
    public let otherKey: KeyName?
    private let parameters: JSONObject

    /// - Returns: `nil` for a method whose parameters are read in no time, whatever they are.
    /// - Throws: `InvalidParameter` if a key's name is missing or none.
    public init?(method: String, parameters: JSONObject) throws(InvalidParameter) {
        var other: String?
        switch method {
        case "SignNewOrder": operation = .newOrder
        case "SignRevocation": operation = .revokeCertificate
        case "SignCertificateRequest": operation = .signRequest
        case "SignFinalize":
            operation = .finalize
            other = "certificateKey"
        default: return nil
        }
        let reader = ParameterReader(parameters)
        key = try reader.key("key")
        if let other { otherKey = try reader.key(other) } else { otherKey = nil }
        self.parameters = parameters
    }

    /// The URL that is to be signed, if there is a valid one.
    public var url: ACMEURL? { try? ParameterReader(parameters).url("url") }

    /// The identifiers as the caller wrote them, not read as names and addresses: how many there are, and the first of them, made printable.
    /// - Parameter limit: of the first that are given; each has at most the 253 characters of a DNS name.
    public func identifiersAsGiven(first limit: Int) -> (count: Int, first: [String]) {
        guard let values = try? parameters.array("identifiers") else { return (0, []) }
        let first = values.prefix(limit).map { value in
            TerminalText.safe((try? value["value"]?.string()) ?? "", limit: DNSName.maximumLength)
        }
        return (values.count, first)
    }
}
