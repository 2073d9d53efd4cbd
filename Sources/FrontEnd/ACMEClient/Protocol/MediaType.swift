/// The media types of ACME, compared without parameters or case (RFC 9110 §8.3.1).
enum MediaType {
    static let json = "application/json"
    static let problem = "application/problem+json"
    static let jose = "application/jose+json"
    static let pemChain = "application/pem-certificate-chain"

    /// The type of a response without parameters, in lower case; empty if there is none.
    static func of(_ response: HTTPResponse) -> String {
        let value = response.headers["Content-Type"] ?? ""
        let type = value.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        return String(type.filter { $0 != " " && $0 != "\t" }).lowercased()
    }
}
