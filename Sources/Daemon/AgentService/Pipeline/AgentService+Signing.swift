import ACME
import AgentInterface
import AuditTrail
import Keyring
import NIOCore
import SigningPolicy
import Varlink

extension AgentService {
    /// An ACME request: finds its keys, asks whether policy allows this peer to have it signed, and plans it.
    func sign(_ call: SigningCall, of caller: Caller, reply: VarlinkReplier) {
        let key = keys.keyring.key(named: call.key)
        let otherName: KeyName?
        var identifiers: [Identifier] = []
        var externalAccountName: String?
        switch call.request {
        case .finalize(let request):
            otherName = request.key
            identifiers = request.identifiers
        case .keyChange(let newKey): otherName = newKey
        case .newOrder(let order):
            otherName = nil
            identifiers = order.identifiers
        case .newAccount(let account):
            otherName = nil
            externalAccountName = account.externalAccount
        default: otherName = nil
        }
        let binding = AgentService.binding(of: key, url: call.url)
        let question = PolicyQuestion(
            peer: caller.peer.identity, operation: call.request.operation, keys: [call.key] + (otherName.map { [$0] } ?? []),
            binding: binding,
            url: call.url, identifiers: identifiers, externalAccount: externalAccountName)
        guard let admitted = gate.admit(question, of: caller, reply: reply) else { return }
        guard let key else { return reply.fail(keys.absence(of: call.key), caller.correlation) }
        var otherKey: SigningKey?
        if let otherName {
            otherKey = keys.keyring.key(named: otherName)
            guard otherKey != nil else { return reply.fail(keys.absence(of: otherName), caller.correlation) }
        }
        if let account = call.account, let binding, !binding.covers(account) {
            return refuse(admitted, CompositionError("account", "is not a URL of the CA to which the key is bound"), reply: reply)
        }
        var externalAccount: ExternalAccount?
        if let name = admitted.question.externalAccount {
            guard let loaded = admitted.caller.rules.externalAccounts[name], loaded.directory.origin == key.directory?.origin else {
                return refuse(
                    admitted, CompositionError("externalAccount", "no external account of that name is configured for this CA"),
                    reply: reply)
            }
            externalAccount = loaded.account
        }
        if isLong(admitted) {
            return submitLong(
                admitted, key: key, waitsForDisk: call.request.changesState, reply: reply
            ) { [otherKey, externalAccount] () throws(CompositionError) in
                try SigningPlan.plan(
                    call.request, key: key, url: call.url, nonce: call.nonce, account: call.account, otherKey: otherKey,
                    externalAccount: externalAccount)
            }
        }
        submit(admitted, key: key, waitsForDisk: call.request.changesState, reply: reply) { () throws(CompositionError) in
            try SigningPlan.plan(
                call.request, key: key, url: call.url, nonce: call.nonce, account: call.account, otherKey: otherKey,
                externalAccount: externalAccount)
        }
    }

    /// The CA to which the signing key of an ACME request is bound. A key that does not exist is treated as if it were
    /// bound to the URL's CA: the answer then depends on the grants alone, and "not found" and "not yours" look the same.
    static func binding(of key: SigningKey?, url: ACMEURL) -> CABinding? {
        guard let key else { return CABinding(origin: url.origin) }
        return key.directory.map { CABinding(origin: $0.origin) }
    }

    /// A certificate signing request outside an order.
    func sign(_ request: CertificateRequest, of caller: Caller, reply: VarlinkReplier) {
        let question = PolicyQuestion(
            peer: caller.peer.identity, operation: .signRequest, keys: [request.key], identifiers: request.identifiers)
        guard let admitted = gate.admit(question, of: caller, reply: reply) else { return }
        guard let key = keys.keyring.key(named: request.key) else { return reply.fail(keys.absence(of: request.key), caller.correlation) }
        if isLong(admitted) {
            return submitLong(admitted, key: key, waitsForDisk: true, reply: reply) { () throws(CompositionError) in
                try SigningPlan.certificateRequest(request, key: key)
            }
        }
        submit(admitted, key: key, waitsForDisk: true, reply: reply) { () throws(CompositionError) in
            try SigningPlan.certificateRequest(request, key: key)
        }
    }

    /// A TLS handshake.
    func sign(
        _ message: HandshakeMessage, key name: KeyName, content: [UInt8], scheme: String, of caller: Caller, reply: VarlinkReplier
    ) {
        let question = PolicyQuestion(peer: caller.peer.identity, operation: message.operation, keys: [name])
        guard let admitted = gate.admit(question, of: caller, reply: reply) else { return }
        guard let key = keys.keyring.key(named: name) else { return reply.fail(keys.absence(of: name), caller.correlation) }
        submit(admitted, key: key, waitsForDisk: false, reply: reply) { () throws(CompositionError) in
            try SigningPlan.handshake(try HandshakeContent(message, content: content, scheme: scheme), key: key)
        }
    }

    /// Names in a request that is composed on the loop; a request with more is composed off it. A CSR of 1,000 names
    /// takes some milliseconds.
    private static let namesOnLoop = 32

    private func isLong(_ admitted: borrowing Admitted) -> Bool { admitted.question.identifiers.count > AgentService.namesOnLoop }

    /// As `submit`, but composed off the loop. Separate, so that composition on the loop needs no closure on the heap.
    private func submitLong(
        _ admitted: Admitted, key: SigningKey, waitsForDisk: Bool, reply: VarlinkReplier,
        _ compose: @escaping @Sendable () throws(CompositionError) -> SigningPlan
    ) {
        long.run(for: UInt64(admitted.caller.peer.uid), on: eventLoop) { () -> Result<SigningPlan, CompositionError> in
            do throws(CompositionError) { return .success(try compose()) } catch { return .failure(error) }
        } then: { plan in
            self.submit(admitted, key: key, waitsForDisk: waitsForDisk, reply: reply) { () throws(CompositionError) in try plan.get() }
        }
    }

    private func submit(
        _ admitted: borrowing Admitted, key: SigningKey, waitsForDisk: Bool, reply: VarlinkReplier,
        _ compose: () throws(CompositionError) -> SigningPlan
    ) {
        do throws(CompositionError) {
            let plan = try compose()
            pipeline.submit(SignatureJob(admitted, key: key, waitsForDisk: waitsForDisk, plan: plan, reply: reply))
        } catch {
            refuse(admitted, error, reply: reply)
        }
    }

    /// Answers a request that a grant covers, but that is none that may be signed. The trail has it too: a caller that
    /// tries other contents is misusing its grant.
    private func refuse(_ admitted: borrowing Admitted, _ error: CompositionError, reply: VarlinkReplier) {
        gate.refusals.publish(RefusalReport(admitted, error))
        reply.fail(AgentError.invalidRequest(parameter: error.parameter, message: error.description), admitted.caller.correlation)
    }
}
