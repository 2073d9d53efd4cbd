/// Changes a call into one that an honest front end would not make. What must come of it is not said here: the evaluation
/// reads the call that results.
enum Hostility {
    static func change(_ call: inout Call, _ random: inout Generator) {
        let values = call.parameters
        var changes: [(inout Call, inout Generator) -> Void] = [form, type]
        if values["identifiers"] != nil { changes += [identifier, identifier, identifier] }
        if values["url"] != nil { changes += [url, url, url] }
        if values["nonce"] != nil { changes.append(nonce) }
        if values["content"] != nil { changes += [content, content, content, scheme] }
        if values["key"] != nil || values["name"] != nil { changes.append(key) }
        if values["contact"] != nil { changes.append(contact) }
        if values["certificate"] != nil { changes.append(certificate) }
        for _ in 0..<(random.chance(80) ? 1 : 2) { random.pick(changes)(&call, &random) }
    }

    private static func form(_ call: inout Call, _ random: inout Generator) {
        call.form = random.pick(Call.Form.allCases)
        // What changes a key and has no reply would leave its state open.
        if call.form == .oneway, !call.method.hasPrefix("Sign") { call.form = .escaped }
        if call.form == .more, ["ListKeys", "ReadAudit"].contains(call.method) { call.form = .plain }
    }

    /// Another JSON type, `null`, a member more, or one less.
    private static func type(_ call: inout Call, _ random: inout Generator) {
        guard let name = call.parameters.names.isEmpty ? nil : random.pick(call.parameters.names) else { return }
        let value = call.parameters[name]
        switch random.below(8) {
        case 0: call.parameters = call.parameters.with(name, .null)
        case 1: call.parameters = call.parameters.with(name, nil)
        case 2: call.parameters = call.parameters.with(name, .number(random.pick(["1", "1e3", "-0", "1.5", "99999999999999999999"])))
        case 3: call.parameters = call.parameters.with(name, .array([value ?? .null]))
        case 4: call.parameters = call.parameters.with(name, .bool(true))
        case 5:
            call.parameters = call.parameters.with(
                random.pick(["payload", "protected", "digest", "kid", "jwk", "status", "csr", "alg"]), .string("AAAA"))
        case 6: call.parameters = call.parameters.with(name, .object([]))
        default: call.parameters = call.parameters.with(name, .string(value?.string.map { $0 + "\u{0}" } ?? "1"))
        }
    }

    private static func identifier(_ call: inout Call, _ random: inout Generator) {
        guard var list = call.parameters["identifiers"]?.array, !list.isEmpty else { return }
        let place = random.below(list.count)
        let old = list[place]["value"]?.string ?? "example.org"
        var type = list[place]["type"]?.string ?? "dns"
        let long = (0..<4).map { _ in String(repeating: "a", count: 60) }.joined(separator: ".")
        let value: String
        switch random.below(30) {
        case 0: value = old.uppercased()
        case 1: value = old + "."
        case 2: value = old + ".."
        case 3: value = "." + old
        case 4: value = "*." + old
        case 5: value = "w*." + old
        case 6: value = "www.*." + old
        case 7: value = "*.*." + old
        case 8: value = String(repeating: "a", count: random.pick([63, 64])) + "." + old
        case 9: value = long + "." + String(repeating: "b", count: random.pick([8, 9, 10]))
        case 10: value = ""
        case 11: value = old.split(separator: ".").joined(separator: "\u{3002}")
        case 12: value = "b\u{FC}cher.example.org"
        case 13: value = "xn--bcher-kva.example.org"
        case 14: value = "XN--BCHER-KVA.example.org"
        case 15: value = "xn--." + old
        case 16: value = old.split(separator: "e").joined(separator: "\u{435}")
        case 17: value = old + "\u{0}.evil.com"
        case 18: value = old + "%2e"
        case 19: value = "-a." + old
        case 20: value = "a_b." + old
        case 21: value = " " + old
        case 22: value = old + "\n"
        case 23: (type, value) = ("dns", random.pick(["192.0.2.7", "2001:db8::1", "1.2.3.4", "example.1"]))
        case 24:
            (type, value) = (
                "ip",
                random.pick([
                    "192.0.2.07", "192.0.2.7.", "0xC0000207", "3221225991", "192.0.519", "192.0.2.256", "192.0.2.7/32", "192.0.2.7%eth0",
                    "example.org",
                    "::ffff:192.0.2.7", "2001:DB8:0:0::1", "2001:0db8::0001", "2001:db8:0:0:0:0:0:1", "[2001:db8::1]", "2001:db8::1%1",
                    "2001:db8:::1",
                    "2001:db8::1::", "::", "2001:db8::192.0.2.7", "0300.0.2.7",
                ])
            )
        case 25:
            type = random.pick(["DNS", "IP", "email", "uri", "", "dns\u{0}", "permanent-identifier"])
            value = old
        case 26:
            list.append(list[place])
            value = old
        case 27: value = "ｗｗｗ." + old
        case 28: value = old.replacingFirst("o", with: "\u{200D}o")
        default: value = random.pick(Universe.names)
        }
        list[place] = .members([("type", .string(type)), ("value", .string(value))])
        if random.chance(3) { list = [] }
        if random.chance(2) {
            list = (0..<random.pick([1_000, 1_001])).map { .members([("type", .string("dns")), ("value", .string("n\($0).example.org"))]) }
        }
        call.parameters = call.parameters.with("identifiers", .array(list))
    }

    /// Other spellings of the URL, the account's URL in place of another, other CAs.
    private static func url(_ call: inout Call, _ random: inout Generator) {
        let member = call.parameters["account"] != nil && random.chance(30) ? "account" : "url"
        let old = call.parameters[member]?.string ?? "https://ca.example/x"
        var account = call.parameters["account"]?.string ?? old
        if random.chance(50), let other = Layouts.all.first(where: { account.hasSuffix($0.account) }) {
            // A number, as Boulder has them, so that it has other spellings.
            account = String(account.dropLast(other.account.utf8.count)) + "/acme/acct/123"
        }
        let head = account.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        let last = String(account.split(separator: "/").last ?? "1")
        let rest = old.dropFirst(8), authority = String(rest.prefix { $0 != "/" }), path = String(rest.dropFirst(authority.count))
        let value: String
        switch random.below(40) {
        case 38, 39:
            // What another operation is sent to: the strongest effect that a CA may give the payload there.
            let layout = random.pick(Layouts.all)
            value =
                "https://" + authority
                + random.pick([
                    layout.newAccount, layout.newOrder, layout.finalize, layout.authorization, layout.challenge, layout.revoke,
                    layout.keyChange,
                    layout.account,
                ])
        case 0: value = "http" + old.dropFirst(5)
        case 1: value = "HTTPS" + old.dropFirst(5)
        case 2: value = "https://user@" + rest
        case 3: value = "https://ca.example@evil.example" + path
        case 4: value = "https://ca.example\\@evil.example" + path
        case 5: value = old + "#fragment"
        case 6: value = old + "?query=1"
        case 7: value = "https://" + authority + ":443" + path
        case 8: value = "https://" + authority + "." + path
        case 9: value = "https://" + authority.uppercased() + path
        case 10: value = "https://" + authority + "/../" + path
        case 11: value = "https://" + authority + "//" + path
        case 12: value = "https://evil.example" + path
        case 13: value = "https://" + authority + ".evil.example" + path
        case 14: value = "https:/" + rest
        case 15: value = "https:" + path
        case 16: value = String(old.replacingFirst("/", with: "\\"))
        case 17: value = old + " "
        case 18: value = old + "\r\nHost: evil"
        case 19: value = old + "\u{0}"
        case 20: value = "https://ca.ex\u{E4}mple" + path
        case 21: value = "https://%63a.example" + path
        case 22: value = "https://" + authority
        case 23: value = ""
        case 24: value = account
        case 25: value = account + "/"
        case 26: value = account + "?x"
        case 27: value = account + ";x"
        case 28: value = head + "/./" + last
        case 29: value = head + "/x/../" + last
        case 30: value = head + "/%31" + last.dropFirst()
        case 31: value = head + "/" + last.uppercased()
        case 32: value = head + "/+" + last
        case 33: value = head + "/000" + last
        case 34: value = head + "//" + last
        case 35: value = head + "/" + random.pick(["2", "authz", "124"])
        case 36: value = head
        default: value = head + "/-" + last
        }
        call.parameters = call.parameters.with(member, .string(value))
        if random.chance(40), call.parameters["account"] != nil, member == "url" {
            call.parameters = call.parameters.with("account", .string(account))
        }
    }

    private static func nonce(_ call: inout Call, _ random: inout Generator) {
        let old = call.parameters["nonce"]?.string ?? ""
        let value = random.pick([
            "", old + "=", old + "+", old + "/", old + " ", old + "\"", old + "\n", "A", "AAAAA", old + "\u{E9}", "%41", ".", old + ".e30",
            String(repeating: "A", count: 128), String(repeating: "B", count: 129), String(repeating: "A", count: 9_000), "-", "__",
        ])
        call.parameters = call.parameters.with("nonce", .string(value))
    }

    private static func content(_ call: inout Call, _ random: inout Generator) {
        let bytes =
            call.method == "SignServerKeyExchange" && random.chance(40)
            ? HandshakeGenerator.twofold(&random) : HandshakeGenerator.hostile(&random)
        call.parameters = call.parameters.with("content", .string(Base64URL.encode(bytes) + (random.chance(5) ? "=" : "")))
    }

    private static func scheme(_ call: inout Call, _ random: inout Generator) {
        let value = random.pick([
            "ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519", "ed448", "rsa_pkcs1_sha256",
            "rsa_pkcs1_sha1",
            "ecdsa_sha1", "rsa_pss_pss_sha256", "rsa_pss_rsae_sha256", "none", "", "ECDSA_SECP256R1_SHA256",
        ])
        call.parameters = call.parameters.with("scheme", .string(value))
    }

    private static func key(_ call: inout Call, _ random: inout Generator) {
        let members = ["key", "name", "certificateKey", "newKey"].filter { call.parameters[$0] != nil }
        guard !members.isEmpty else { return }
        let member = random.pick(members), old = call.parameters[member]?.string ?? ""
        let value = random.pick(
            Universe.keys + [
                "", "..", "../" + old, old + "/", "/" + old, old + "\u{0}", old.uppercased(), String(old.dropLast()), old + "-2", old + "*",
                "*", old + ".json",
                " " + old, old + " ", old + "..x", "." + old, "w\u{435}b", String(repeating: "k", count: 64),
                String(repeating: "k", count: 65), "none-0",
                "none-1",
            ])
        call.parameters = call.parameters.with(member, .string(value))
    }

    private static func contact(_ call: inout Call, _ random: inout Generator) {
        let value = random.pick([
            "", "mailto:", "mailto:a", "mailto:a@example.org,b@example.org", "mailto:a@example.org?subject=x", "tel:1",
            "http://example.org/", "a@example.org",
            "mailto:a@ex\u{E4}mple.org", "mailto:a@example.org\n", "MAILTO:a@example.org",
        ])
        call.parameters = call.parameters.with("contact", .strings([value]))
    }

    private static func certificate(_ call: inout Call, _ random: inout Generator) {
        let value = random.pick(["", "=", "AAAA", "MAA", "MAAA", "!!", Base64URL.encode(random.bytes(2_000))])
        call.parameters = call.parameters.with("certificate", .string(value))
        if random.chance(50) { call.parameters = call.parameters.with("reason", .number(random.pick(["7", "11", "-1", "255", "2"]))) }
    }

    /// Bytes in the shape of a certificate (RFC 5280 section 4.1); the agent reads nothing that comes from a CA.
    static func certificate(_ content: [UInt8]) -> [UInt8] {
        DER.write(
            DER.sequence,
            DER.write(DER.sequence, DER.unsigned(content))
                + DER.write(DER.sequence, DER.write(DER.objectIdentifier, DER.OID.ecdsaWithSHA256))
                + DER.write(DER.bitString, [0] + content))
    }
}

extension String {
    fileprivate func replacingFirst(_ character: Character, with text: String) -> String {
        guard let place = firstIndex(of: character) else { return self }
        return self[..<place] + text + self[index(after: place)...]
    }
}
