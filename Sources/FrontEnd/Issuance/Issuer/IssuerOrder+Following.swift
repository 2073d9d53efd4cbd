import ACME
import CertificateStore

extension IssuerOrder {
    /// The order as its journal has it: what newOrder's answer said.
    init?(_ journal: OrderJournal) {
        for case .orderCreated(let url, let finalize, let authorizations) in journal.steps.reversed() {
            self.init(url: url, state: .pending, identifiers: journal.identifiers, authorizations: authorizations, finalize: finalize)
            return
        }
        return nil
    }

    /// This answer about an order, held against what was known of it before.
    ///
    /// What the answer leaves out is as it was: a server in wide use sends identifiers and finalize with newOrder's answer only. What was said
    /// once stays: the names are the caller's, never the CA's, and so is the list of authorizations to answer.
    /// - Throws: `IssuanceError.unexpectedAnswer` where the order is for other names, or is pending and has nothing to prove.
    func following(_ earlier: IssuerOrder) throws(IssuanceError) -> IssuerOrder {
        var order = self
        if let wanted = earlier.identifiers {
            if let identifiers, Set(identifiers) != Set(wanted) {
                throw .unexpectedAnswer("the CA's order is for other names than asked for: \(Self.difference(identifiers, wanted))")
            }
            order.identifiers = wanted
        }
        if !earlier.authorizations.isEmpty { order.authorizations = earlier.authorizations }
        order.finalize = earlier.finalize ?? finalize
        order.profile = profile ?? earlier.profile
        if state == .pending, order.authorizations.isEmpty {
            throw .unexpectedAnswer("the CA's order is pending and names no authorization: nothing can be proven")
        }
        // RFC 8555 §7.1.3 lets a CA want fewer. More of them would have one name presented again and again.
        if let names = order.identifiers, order.authorizations.count > names.count {
            throw .unexpectedAnswer("the CA's order has \(order.authorizations.count) authorizations for \(names.count) names")
        }
        return order
    }

    /// newOrder's answer, held against the order.
    func following(_ request: [Identifier]) throws(IssuanceError) -> IssuerOrder {
        guard identifiers != nil else { throw .unexpectedAnswer("the CA's answer to the order does not say which names it is for") }
        return try following(IssuerOrder(url: url, state: state, identifiers: request))
    }

    private static func difference(_ answered: [Identifier], _ wanted: [Identifier]) -> String {
        let added = answered.filter { !wanted.contains($0) }, missing = wanted.filter { !answered.contains($0) }
        func list(_ identifiers: [Identifier]) -> String {
            let shown = identifiers.prefix(5).map(\.value).joined(separator: ", ")
            return identifiers.count > 5 ? "\(shown) and \(identifiers.count - 5) more" : shown
        }
        return [added.isEmpty ? nil : "\(list(added)) was not ordered", missing.isEmpty ? nil : "\(list(missing)) is missing"]
            .compactMap(\.self).joined(separator: ", ")
    }
}

extension IssuerAuthorization {
    /// This authorization under the name that was ordered.
    ///
    /// An authorization for any other name is refused: with a program that writes DNS records, the CA would choose which one is written.
    /// `wildcard` may be left out where the wildcard was ordered and the name below it was not.
    func named(among identifiers: [Identifier]) throws(IssuanceError) -> IssuerAuthorization {
        if identifiers.contains(identifier) { return self }
        if case .dns(let name) = identifier, !name.isWildcard, let wildcard = try? DNSName("*." + name.text),
            identifiers.contains(.dns(wildcard))
        {
            var named = self
            named.identifier = .dns(wildcard)
            return named
        }
        throw .unexpectedAnswer("the CA wants \(identifier.value) proven, which was not ordered")
    }
}
