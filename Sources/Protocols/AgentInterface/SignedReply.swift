import JOSE
import StrictJSON

/// The reply to a call that signs an ACME request: the body to send, and for a finalization the CSR in it.
public struct SignedReply: Sendable {
    public var request: FlattenedJWS
    /// PKCS#10 (RFC 2986), DER; only for `SignFinalize`.
    public var certificateRequest: [UInt8]?

    public init(request: FlattenedJWS, certificateRequest: [UInt8]? = nil) {
        self.request = request
        self.certificateRequest = certificateRequest
    }

    /// Writes the members of the reply's parameters.
    public func writeMembers(to json: inout JSONWriter) {
        json.name("request")
        request.write(to: &json)
        if let certificateRequest { json.member("csr", Base64URL.encode(certificateRequest)) }
    }

    public init(reply json: JSONObject) throws(AgentReplyError) {
        do {
            let request = try json.object("request")
            self.init(
                request: try FlattenedJWS(
                    protected: try request.string("protected"), payload: try request.string("payload"),
                    signature: try request.string("signature")),
                certificateRequest: try json.optionalString("csr").flatMap { Base64URL.decode($0) })
        } catch {
            throw AgentReplyError("an unreadable signed request: \(error)")
        }
    }
}
