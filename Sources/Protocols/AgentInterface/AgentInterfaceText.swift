/// The agent's Varlink interface. The text is the contract: `GetInterfaceDescription` serves it, and a test proves that
/// exactly its methods are implemented.
public enum AgentInterfaceText {
    public static let name = "org.acmeagent.Agent"

    public static let text = #"""
        # Signs ACME requests (RFC 8555), certificate signing requests and TLS handshakes with keys that stay in a
        # PKCS#11 token.
        #
        # A caller says what it wants signed. The agent checks that against its policy, writes the bytes itself and
        # signs them. No method signs given bytes or a given digest.
        interface org.acmeagent.Agent

        # A certificate's identifier: type "dns" (RFC 8555 section 9.7.7) or "ip" (RFC 8738). A dns value has A-labels.
        type Identifier (type: string, value: string)

        # A flattened JWS (RFC 7515 section 7.2.2), each member base64url without padding: the body of the HTTP request.
        type SignedRequest (protected: string, payload: string, signature: string)

        # A key in a token. usage: "account" for ACME requests, "certificate" for certificate signing requests and
        # handshakes; never both. algorithm: P-256, P-384, RSA-2048, RSA-3072, RSA-4096 or Ed25519.
        # publicKey: SubjectPublicKeyInfo as PEM. fingerprint: lower-case hex SHA-256 of the SubjectPublicKeyInfo.
        # uri: RFC 7512. created: RFC 3339.
        # directory: the ACME directory to which an account key is bound; it signs requests for that origin only.
        # weaknesses: what the private key allowed beyond signing in its token when it got its name: none for a key that
        # the agent made, the accepted ones for an adopted key ("extractable", "was-extractable", "not-sensitive",
        # "was-not-sensitive", "decrypt", "unwrap", "derive", "sign-recover"). Missing if the key got its name from a
        # version of the agent that did not check.
        # handshakes: the TLS operations that grants allow with the key: the caller's grants, or for root, the agent's own
        # user and callers who may read the audit trail, anybody's.
        type Key (
          name: string,
          usage: (account, certificate),
          algorithm: string,
          state: (active, retired),
          publicKey: string,
          jwk: object,
          thumbprint: string,
          fingerprint: string,
          token: string,
          uri: string,
          directory: ?string,
          created: string,
          weaknesses: ?[]string,
          handshakes: []string
        )

        # A token and its state: "ready", "starting" or "unavailable", the last with a reason, a sentence and a hint. A
        # ready token has a sentence and a hint if its next login would fail.
        type Token (
          name: string,
          state: (starting, ready, unavailable),
          label: ?string,
          model: ?string,
          reason: ?string,
          message: ?string,
          hint: ?string,
          restarts: int
        )

        # How often a grant may be used, by all its users together. what: "handshakes", "orders", "revocations" or "keys".
        # count in seconds, burst at once; left: how many more now.
        type Rate (what: string, count: int, seconds: int, burst: int, left: int)

        # What one grant of the policy allows the calling user.
        type Grant (
          name: string,
          keys: []string,
          operations: []string,
          identifiers: []string,
          wildcards: bool,
          cas: []string,
          externalAccounts: []string,
          rates: []Rate
        )

        # A configuration entry that is off until what it names exists: a user, a group, a secret. line: from 1.
        type OffEntry (entry: string, line: ?int, message: string)

        # The configuration in force. loaded: when its file was read, RFC 3339. sha256: of the file, lower-case hex.
        # off: the number of entries that are off. Only root, the agent's own user and callers who may read the audit
        # trail get the rest: which entries are off and why, and why the last reload was refused (null if it was not).
        type Configuration (loaded: string, sha256: string, off: int, entries: []OffEntry, reloadError: ?string)

        # Something that is off because it cannot be used, while the rest is served, or that is used but needs
        # attention. what: "key"; "weak-key", which needs attention; "keys" without a name for more of both; "grant" for
        # one that names the caller; "grants" without a name for others. message: a sentence.
        type Problem (what: string, name: string, message: string)

        # What the agent is, who it takes the caller for, and what the caller may do. configuration: null for a caller
        # without a grant, except root and the agent's own user. serverKeyExchangeKeys: the keys, at most 64, with which a
        # grant allows SignServerKeyExchange; whose grants, as for a Key's handshakes. correlation: this call, as the
        # agent's log and its audit trail would name it: three numbers, of which the first two are the connection's.
        method GetStatus() -> (
          version: string,
          user: int,
          groups: []int,
          tokens: []Token,
          grants: []Grant,
          externalAccounts: []string,
          serverKeyExchangeKeys: []string,
          auditSequence: int,
          auditState: string,
          configuration: ?Configuration,
          problems: []Problem,
          correlation: ?string
        )

        # The keys for which the caller is granted list-keys. With "more", they come in several replies; without it, a
        # caller with more than 256 keys gets the error org.varlink.service.ExpectedMore.
        method ListKeys() -> (keys: []Key)

        method DescribeKey(name: string) -> (key: Key)

        # Makes a key in the token: sensitive, not extractable, for signing only. An account key requires the directory
        # it is bound to. If the name is taken, the error is KeyExists.
        method CreateKey(name: string, usage: string, algorithm: string, directory: ?string, token: ?string) -> (key: Key)

        # Adopts a key that is already in the token, by its PKCS#11 URI (RFC 7512), which must match exactly one private
        # key. A key that can be taken out of the token, or do more than sign, is refused (reason "key-is-weak") unless
        # acceptWeak is true.
        method AdoptKey(
          name: string, uri: string, usage: string, directory: ?string, token: ?string, acceptWeak: ?bool
        ) -> (key: Key)

        # The key stays in the token. A retired certificate key signs only the revocation of its certificate, a retired
        # account key nothing.
        method RetireKey(name: string) -> (key: Key)

        # Destroys the key in the token. This cannot be undone. A key that is no longer in the token counts as
        # destroyed.
        method DeleteKey(name: string) -> ()

        # newAccount (RFC 8555 section 7.3). externalAccount names a credential of the agent's configuration (section
        # 7.3.4).
        method SignNewAccount(
          key: string, url: string, nonce: string,
          contact: ?[]string, termsOfServiceAgreed: ?bool, onlyReturnExisting: ?bool, externalAccount: ?string
        ) -> (request: SignedRequest)

        # Account update (section 7.3.2). account: the account's URL, to which the request is also sent.
        method SignAccountUpdate(
          key: string, url: string, nonce: string, account: string, contact: ?[]string, termsOfServiceAgreed: ?bool
        ) -> (request: SignedRequest)

        # Account deactivation (section 7.3.6).
        method SignAccountDeactivation(key: string, url: string, nonce: string, account: string) -> (request: SignedRequest)

        # Key rollover (section 7.3.5): newKey, another account key bound to the same directory, signs the inner JWS.
        method SignKeyChange(key: string, url: string, nonce: string, account: string, newKey: string) -> (request: SignedRequest)

        # newOrder (section 7.4). notBefore, notAfter: RFC 3339. replaces: RFC 9773 section 5.
        method SignNewOrder(
          key: string, url: string, nonce: string, account: string,
          identifiers: []Identifier, profile: ?string, replaces: ?string, notBefore: ?string, notAfter: ?string
        ) -> (request: SignedRequest)

        # POST-as-GET (section 6.3).
        method SignPostAsGet(key: string, url: string, nonce: string, account: string) -> (request: SignedRequest)

        # Response to a challenge (section 7.5.1): the CA may begin to validate.
        method SignChallengeResponse(key: string, url: string, nonce: string, account: string) -> (request: SignedRequest)

        # Deactivation of an authorization (section 7.5.2).
        method SignAuthorizationDeactivation(key: string, url: string, nonce: string, account: string) -> (request: SignedRequest)

        # Finalization of an order (section 7.4): the agent makes the certificate signing request for the identifiers,
        # signed by certificateKey. mustStaple requests the TLS feature of RFC 7633. csr: the PKCS#10 request (RFC
        # 2986), DER in base64url.
        method SignFinalize(
          key: string, url: string, nonce: string, account: string, certificateKey: string, identifiers: []Identifier, mustStaple: ?bool
        ) -> (request: SignedRequest, csr: string)

        # Revocation (section 7.6). With account, signed by the account key; without, by the certificate's own key.
        # certificate: DER in base64url. reason: RFC 5280 section 5.3.1.
        method SignRevocation(
          key: string, url: string, nonce: string, account: ?string, certificate: string, reason: ?int
        ) -> (request: SignedRequest)

        # A certificate signing request for use outside an ACME order. csr: DER in base64url.
        method SignCertificateRequest(key: string, identifiers: []Identifier, mustStaple: ?bool) -> (csr: string)

        # A TLS 1.3 server CertificateVerify (RFC 8446 section 4.4.3). content: base64url of exactly the content that
        # section describes, 130 or 146 bytes. scheme: a SignatureScheme of section 4.2.3, such as
        # "ecdsa_secp256r1_sha256": one of ECDSA with the key's own curve, rsa_pss_rsae_* or ed25519.
        method SignHandshake(key: string, content: string, scheme: string) -> (signature: string)

        # The same for a TLS 1.3 client's CertificateVerify.
        method SignClientHandshake(key: string, content: string, scheme: string) -> (signature: string)

        # A TLS 1.2 ServerKeyExchange (RFC 8422 section 5.4). content: base64url of the two randoms and the parameters:
        # exactly 100 bytes (X25519), 133 (secp256r1) or 165 (secp384r1, both uncompressed). scheme: a SignatureScheme as
        # above, which in TLS 1.2 gives the hash of ECDSA and not the curve (RFC 8446 section 4.2.3), or rsa_pkcs1_sha256,
        # _sha384 or _sha512. Not for Ed25519 keys.
        method SignServerKeyExchange(key: string, content: string, scheme: string) -> (signature: string)

        # The last records of the audit trail, 100 by default and at most 10000, as the lines on disk. With "more", at most
        # 250000, and new ones follow.
        method ReadAudit(last: ?int) -> (records: []string)

        # What the agent counts and measures, in Prometheus's text format, version 0.0.4. It names keys, grants and tokens
        # of everybody.
        method ReadMetrics() -> (text: string)

        # What a grant that came closest to a request lacks. setting: as in the configuration. line: of the setting, from
        # 1; null if the grant does not have it, or for a caller who may know only its own grants. add: what the setting
        # would have to name as well; empty for "wildcards", which would have to be true. message: a phrase.
        type Lack (setting: string, line: ?int, add: []string, message: string)

        # What policy decides about a request, without making it: nothing is signed, counted or recorded. keys: none for
        # read-audit and read-metrics; two for key-change (the account's and the new one) and finalize (the account's and
        # the certificate's); one for each other operation. url: any URL of the CA, for the operations that sign one; for
        # create-key and adopt-key the directory of an account key. At most 100 identifiers.
        # user, groups: somebody else than the caller, for root, the agent's own user and callers who may read the audit
        # trail. Only they get file and line, which say where the grant is. grant: the one that covers the request, or that
        # came closest. reason is stable; message and hint are what a caller would be told. problems: grants that are off
        # and may be meant.
        method ExplainDecision(
          operation: string, keys: []string, url: ?string, identifiers: ?[]Identifier, externalAccount: ?string,
          user: ?int, groups: ?[]int
        ) -> (
          allowed: bool,
          grant: ?string,
          file: ?string,
          line: ?int,
          reason: ?string,
          message: ?string,
          hint: ?string,
          lacks: []Lack,
          problems: []Problem
        )

        # A limit of a grant in the configuration: as Rate, without what is left of it.
        type Limit (what: string, count: int, seconds: int, burst: int)

        # A grant, without its rates, and whom it is for: users and groups as the configuration names them, and for a
        # caller who may know only its own grants, those among them that it is or belongs to. line: as for Lack. off: why
        # the grant is off; null if it is in force. limits: how often it may be used.
        type AssignedGrant (
          grant: Grant,
          users: []string,
          groups: []string,
          line: ?int,
          off: ?string,
          limits: []Limit
        )

        # Who may do what: the caller's grants, or, for root, the agent's own user and callers who may read the audit
        # trail, everybody's (complete), with those that are off. With "more", they come in several replies; without it, a
        # caller with more than 256 gets the error org.varlink.service.ExpectedMore.
        method ListGrants() -> (complete: bool, file: ?string, grants: []AssignedGrant)

        # Policy, or the state of the key, does not allow it. reason is stable; message and hint are for a person.
        # retryAt: with the reason "rate-exceeded", when the grant's rate allows the request again, RFC 3339.
        # correlation, in each of these errors: the call, as the agent's log and its audit trail name it.
        error Refused (reason: string, message: string, hint: ?string, retryAt: ?string, correlation: ?string)

        # There is no such key, or the caller may not use it: the error does not say which.
        error KeyNotFound (name: string, message: string, correlation: ?string)

        error KeyExists (name: string, message: string, correlation: ?string)

        # The key is off: its entry in the agent's state is damaged, or contradicts another's. It cannot be used until
        # the entry is repaired.
        error KeyUnusable (name: string, message: string, correlation: ?string)

        # A value is invalid; nothing was signed.
        error InvalidRequest (parameter: string, message: string, correlation: ?string)

        # The token cannot be used now. reason is stable, such as "pinIncorrect" or "noToken".
        error TokenUnavailable (token: string, reason: string, message: string, hint: ?string, correlation: ?string)

        # The token, or the check of its signature, failed; nothing was returned.
        error SigningFailed (message: string, hint: ?string, correlation: ?string)

        # The audit trail cannot be written, so nothing is signed, or cannot be read.
        error AuditUnavailable (message: string, hint: ?string, correlation: ?string)

        # The agent has too much work from this caller or from all; try the call again later.
        error Overloaded (message: string, correlation: ?string)
        """# + "\n"
}
