import ACME
import CertificateStore

extension IssuerOrder {
    /// The order from its journal: the contents of newOrder's answer.
    init?(_ journal: OrderJournal) {
        for case .orderCreated(let url, let finalize, let authorizations) in journal.steps.reversed() {
            self.init(url: url, state: .pending, identifiers: journal.identifiers, authorizations: authorizations, finalize: finalize)
            return
        }
        return nil
    }

    /// This answer about an order, compared with what was known before.
    ///
    /// Missing members keep their values: a widely used server sends identifiers and finalize only with newOrder's
    /// answer. The names are the caller's, never the CA's, and the list of authorizations stays as first received.
    /// - Throws: `IssuanceError.unexpectedAnswer` if the order is for other names, or is pending without
    ///   authorizations.
    func following(_ earlier: IssuerOrder) throws(IssuanceError) -> IssuerOrder {
        var order = self
        if let wanted = earlier.identifiers {
            if let identifiers, Set(identifiers) != Set(wanted) {
                throw .unexpectedAnswer("the CA's order is for other names than requested: \(Self.difference(identifiers, wanted))")
            }
            order.identifiers = wanted
        }
        if !earlier.authorizations.isEmpty { order.authorizations = earlier.authorizations }
        order.finalize = earlier.finalize ?? finalize
        order.profile = profile ?? earlier.profile
        if state == .pending, order.authorizations.isEmpty {
            throw .unexpectedAnswer("the CA's order is pending but has no authorizations")
        }
        // RFC 8555 §7.1.3 allows fewer. More would present the same name repeatedly.
        if let names = order.identifiers, order.authorizations.count > names.count {
            throw .unexpectedAnswer("the CA's order has \(order.authorizations.count) authorizations for \(names.count) names")
        }
        return order
    }

    /// newOrder's answer, compared with the requested names.
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
    /// This authorization with the name that was ordered.
    ///
    /// An authorization for any other name is refused: otherwise the CA could choose which record a DNS hook writes.
    /// `wildcard` may be missing if the wildcard was ordered but its base name was not.
    func named(among identifiers: [Identifier]) throws(IssuanceError) -> IssuerAuthorization {
        if identifiers.contains(identifier) { return self }
        if case .dns(let name) = identifier, !name.isWildcard, let wildcard = try? DNSName("*." + name.text),
            identifiers.contains(.dns(wildcard))
        {
            var named = self
            named.identifier = .dns(wildcard)
            return named
        }
        throw .unexpectedAnswer("the CA requires authorization of \(identifier.value), which was not ordered")
    }
}
