/// The layouts of URLs of known CAs, which must keep working (Docs/threat-model.md, "Payloads that coincide").
enum Layouts {
    struct Layout {
        var account: String
        var directory: String
        var newAccount: String
        var newOrder: String
        var order: String
        var finalize: String
        var authorization: String
        var challenge: String
        var revoke: String
        var keyChange: String
    }

    static let all = [
        // Pebble.
        Layout(
            account: "/my-account/1a", directory: "/dir", newAccount: "/sign-me-up", newOrder: "/order-plz", order: "/my-order/Ab9",
            finalize: "/finalize-order/Ab9", authorization: "/authZ/xY1", challenge: "/chalZ/zZ0", revoke: "/revoke-cert",
            keyChange: "/rollover-account-key"),
        // Boulder.
        Layout(
            account: "/acme/acct/123", directory: "/directory", newAccount: "/acme/new-acct", newOrder: "/acme/new-order",
            order: "/acme/order/123/77", finalize: "/acme/finalize/123/77", authorization: "/acme/authz/123/88",
            challenge: "/acme/chall/123/88/AbCd", revoke: "/acme/revoke-cert", keyChange: "/acme/key-change"),
        // step-ca.
        Layout(
            account: "/acme/prov/account/Qw3", directory: "/acme/prov/directory", newAccount: "/acme/prov/new-account",
            newOrder: "/acme/prov/new-order", order: "/acme/prov/order/Er4", finalize: "/acme/prov/order/Er4/finalize",
            authorization: "/acme/prov/authz/Ty5", challenge: "/acme/prov/challenge/Ty5/Ui6", revoke: "/acme/prov/revoke-cert",
            keyChange: "/acme/prov/key-change"),
    ]

    /// Whether the URL is one of a known layout's, as it is written there, and the account's is the same layout's.
    static func isFar(_ url: String, from account: String) -> Bool {
        guard case .valid(let place) = Location.read(url), case .valid(let own) = Location.read(account), place.origin == own.origin,
            place.query == nil, own.query == nil
        else { return false }
        return all.contains { layout in
            own.path == layout.account
                && [
                    layout.newAccount, layout.newOrder, layout.order, layout.finalize, layout.authorization, layout.challenge,
                    layout.revoke, layout.keyChange,
                ].contains(place.path)
        }
    }
}
