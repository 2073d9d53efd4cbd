/// The error types of ACME (RFC 8555 §6.7, RFC 9773 §7.4, draft-ietf-acme-profiles §5), by the name after
/// `urn:ietf:params:acme:error:`.
public enum ProblemKind: String, CaseIterable, Hashable, Sendable {
    case accountDoesNotExist, alreadyRevoked, badCSR, badNonce, badPublicKey, badRevocationReason, badSignatureAlgorithm
    case caa, compound, connection, dns, externalAccountRequired, incorrectResponse, invalidContact, malformed
    case orderNotReady, rateLimited, rejectedIdentifier, serverInternal, tls, unauthorized
    case unsupportedContact, unsupportedIdentifier, userActionRequired
    /// RFC 9773 §7.4
    case alreadyReplaced
    case invalidProfile
}
