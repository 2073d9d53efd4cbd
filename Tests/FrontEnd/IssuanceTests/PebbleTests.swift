import ACME
import ACMEClient
import CertificateStore
import JOSE
import Synchronization
import TestSupport
import Testing
import X509

@testable import Issuance

/// A real CA on loopback and software keys; everything else is as in the program.
@Suite(.enabled(if: PebbleFixture.isAvailable, "pebble, pebble-challtestsrv and openssl are installed"), .serialized)
struct PebbleTests {
    /// One user of one Pebble.
    final class User: Sendable {
        let pebble: PebbleFixture
        let keys: SoftwareKeys
        let store: FolderStore
        let folder: TemporaryFolder
        let transport: AsyncHTTPTransport
        let events = Mutex<[IssuanceEvent]>([])

        init(_ options: PebbleFixture.Options = .init(), keys: SoftwareKeys = SoftwareKeys()) async throws {
            pebble = try await PebbleFixture(options)
            self.keys = keys
            folder = try TemporaryFolder()
            store = FolderStore(folder: folder.file("state"))
            transport = try pebble.transport()
        }

        var accounts: AccountFlow {
            AccountFlow(store: store, keys: keys, transport: transport) { [self] event in events.withLock { $0.append(event) } }
        }

        func register(externalAccount: String? = nil) async throws -> StoredAccount {
            try await accounts.register(
                AccountRegistration(
                    directory: pebble.directory, key: KeyName("account"), contact: [try Contact(argument: "admin@example.org")],
                    agreesToTerms: true, externalAccount: externalAccount))
        }

        func flow(_ solvers: [any ChallengeSolver]) async throws -> (IssuanceFlow, ACMEClient) {
            let client = try await accounts.client(for: pebble.directory)
            let flow = IssuanceFlow(
                issuer: try ACMEIssuer(client: client), store: store, keys: keys, solvers: solvers,
                observer: { [self] event in events.withLock { $0.append(event) } })
            return (flow, client)
        }

        func listener() throws -> HTTP01Listener { HTTP01Listener(addresses: [try ListenAddress("127.0.0.1:\(pebble.http01Port)")]) }

        func end() async {
            await transport.shutdown()
            pebble.stop()
        }
    }

    @Test func aListenerIssuesInNineRequestsTimeAndAgain() async throws {
        let user = try await User()
        _ = try await user.register()
        for number in 0..<5 {
            let (flow, client) = try await user.flow([try user.listener()])
            let outcome = try await flow.issue(try Bench.request(["n\(number).example.org"]))
            #expect(client.requestCount <= 9)
            #expect(outcome.certificate.metadata.generation == 1)
        }
        let (flow, client) = try await user.flow([try user.listener()])
        _ = try await flow.issue(try Bench.request((0..<10).map { "m\($0).example.org" }))
        #expect(client.requestCount <= 28)
        await user.end()
    }

    @Test func aWebrootIssuesInNineRequests() async throws {
        let user = try await User()
        _ = try await user.register()
        let root = try TemporaryFolder()
        let server = try await StaticServer(root: root.path, port: user.pebble.http01Port)
        for number in 0..<3 {
            let (flow, client) = try await user.flow([HTTP01Webroot(root: root.path)])
            _ = try await flow.issue(try Bench.request(["n\(number).example.org"]))
            #expect(client.requestCount <= 9)
        }
        #expect(!FileTests.exists(root.file(".well-known")))
        await server.stop()
        await user.end()
    }

    @Test(arguments: [
        (["www.example.org"], 9), ((0..<10).map { "n\($0).example.org" }, 27), (["127.0.0.1", "mail.example.org"], 13),
    ]) func namesAndAddressesAreProvenByTLS(names: [String], requests: Int) async throws {
        let user = try await User()
        _ = try await user.register()
        var counts: [Int] = []
        for _ in 0..<2 {
            let listener = TLSALPN01Listener(addresses: [try ListenAddress("127.0.0.1:\(user.pebble.tlsALPN01Port)")])
            let (flow, client) = try await user.flow([listener])
            let request = try Bench.request(names)
            let outcome = try await flow.issue(request)
            #expect(Set(try outcome.certificate.chain.identifiers()) == Set(request.identifiers))
            counts.append(client.requestCount)
        }
        // A busy machine may need a poll more.
        #expect(counts.min().map { $0 <= requests } == true, "\(counts)")
        await user.end()
    }

    @Test func severalNamesAndAnAddressAreRenewedAndRevoked() async throws {
        let user = try await User()
        _ = try await user.register()
        let (flow, _) = try await user.flow([try user.listener()])
        let request = try Bench.request(["www.example.org", "mail.example.org", "127.0.0.1"])
        let first = try await flow.issue(request)
        #expect(Set(try first.certificate.chain.identifiers()) == Set(request.identifiers))
        let second = try await flow.renew(request.name)
        #expect(second.certificate.metadata.generation == 2 && second.key.name == first.key.name)
        try await flow.revoke(request.name, reason: .superseded)
        #expect(try await user.store.certificate(named: request.name)?.isRevoked == true)
        let third = try await flow.renew(request.name) { $0.newKey = true }
        try await flow.revoke(request.name, reason: .keyCompromise, byCertificateKey: true)
        #expect(third.key.name != first.key.name)
        await user.end()
    }

    @Test(arguments: [50, 90]) func refusedNoncesAreNoObstacle(percent: Int) async throws {
        var options = PebbleFixture.Options()
        options.nonceReject = percent
        let user = try await User(options)
        _ = try await user.register()
        let (flow, _) = try await user.flow([try user.listener()])
        _ = try await flow.issue(try Bench.request(["www.example.org", "mail.example.org"]))
        await user.end()
    }

    @Test func anExternalAccountIsBound() async throws {
        let secret: [UInt8] = Array("a secret of thirty-two bytes or more".utf8)
        var options = PebbleFixture.Options()
        options.externalAccounts = ["kid-1": Base64URL.encode(secret)]
        let keys = SoftwareKeys(externalAccounts: [
            "corp": (keyID: "kid-1", hmacKey: try secret.withUnsafeBytes { try HMACKey(copying: $0) })
        ])
        let user = try await User(options, keys: keys)
        await #expect { try await user.register() } throws: { error in
            guard case .externalAccountRequired? = error as? IssuanceError else { return false }
            return true
        }
        let account = try await user.register(externalAccount: "corp")
        #expect(account.url != nil)
        // Another registration finds the same account.
        #expect(try await user.register(externalAccount: "corp").url == account.url)
        let (flow, _) = try await user.flow([try user.listener()])
        _ = try await flow.issue(try Bench.request())
        await user.end()
    }

    @Test func anAlternateChainIsChosenByItsRoot() async throws {
        var options = PebbleFixture.Options()
        options.alternateRoots = 2
        let user = try await User(options)
        _ = try await user.register()
        let (flow, client) = try await user.flow([try user.listener()])
        let plain = try await flow.issue(try Bench.request())
        guard let url = plain.certificate.metadata.certificate else {
            Issue.record("no URL")
            return
        }
        let offered = try await client.certificate(url)
        #expect(offered.alternates.count == 2)
        let other = try CertificateChain(pem: try await client.certificate(offered.alternates[1]).pem)
        let issuer = other.certificates[other.certificates.count - 1].issuer
        let wanted = issuer.flatMap { $0 }.compactMap { String($0.value) }.joined()
        let renewed = try await flow.renew(plain.certificate.name) { $0.preferredRoot = wanted }
        let top = renewed.certificate.chain.certificates[renewed.certificate.chain.certificates.count - 1].issuer
        #expect(top == issuer)
        await user.end()
    }

    @Test func aChallengeThatFailsTellsWhy() async throws {
        let user = try await User()
        _ = try await user.register()
        // No web server serves this folder.
        let root = try TemporaryFolder()
        let (flow, _) = try await user.flow([HTTP01Webroot(root: root.path)])
        await #expect { try await flow.issue(try Bench.request()) } throws: { error in
            guard case .notProven(let failures)? = error as? IssuanceError else { return false }
            return failures.count == 1 && "\(error)".contains("connection refused")
        }
        #expect(!FileTests.exists(root.file(".well-known")))
        // Blocked names are refused before anything is presented.
        await user.end()
    }

    @Test func validAuthorizationsAreReused() async throws {
        var options = PebbleFixture.Options()
        options.authorizationReuse = 100
        let user = try await User(options)
        _ = try await user.register()
        let (flow, _) = try await user.flow([try user.listener()])
        let request = try Bench.request()
        _ = try await flow.issue(request)
        let (again, client) = try await user.flow([])
        _ = try await again.renew(request.name)
        #expect(client.requestCount <= 7)
        await user.end()
    }

    @Test func dnsIsProvenByAHook() async throws {
        let user = try await User()
        _ = try await user.register()
        let log = user.folder.file("hook.log")
        let hook = try user.folder.write(
            "hook",
            """
            #!/bin/bash
            read -r object
            echo "$1 $2 $object" >> "\(log)"
            if [ "$1" = present ]; then body="{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}"; path=/set-txt
            else body="{\\"host\\":\\"$2.\\"}"; path=/clear-txt; fi
            exec 3<>/dev/tcp/127.0.0.1/\(user.pebble.dnsManagementPort)
            printf 'POST %s HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n%s' "$path" "${#body}" "$body" >&3
            read -r status <&3
            case "$status" in *200*) exit 0;; esac
            exit 1
            """, mode: 0o700)
        let solver = DNS01Hook(program: ExternalProgram(path: hook, environment: ["PATH": "/usr/bin:/bin"], timeout: .seconds(20)))
        let (flow, _) = try await user.flow([solver])
        let outcome = try await flow.issue(try Bench.request(["*.example.org", "example.org"]))
        #expect(outcome.certificate.name.rawValue == "wildcard_.example.org")
        let lines = try user.folder.read("hook.log").split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("present _acme-challenge.example.org {") }.count == 2)
        #expect(lines.filter { $0.hasPrefix("cleanup _acme-challenge.example.org {") }.count == 2)
        await user.end()
    }

    @Test func anUnknownCAAndAnUnreachableOneAreToldApart() async throws {
        let user = try await User()
        let strangers = try AsyncHTTPTransport(trustRoots: .system, userAgent: "test/0")
        await #expect { try await ACMEClient(directory: user.pebble.directory, transport: strangers).directory() } throws: { error in
            guard case .transport(let cause)? = error as? ACMEClientError else { return false }
            return cause.kind == .untrusted && cause.hint?.contains("--ca-certificate") == true
        }
        await strangers.shutdown()
        user.pebble.stop()
        let client = ACMEClient(directory: user.pebble.directory, transport: user.transport, time: VirtualTime())
        await #expect { try await client.directory() } throws: { error in
            guard case .transport(let cause)? = error as? ACMEClientError else { return false }
            return cause.kind == .unreachable
        }
        await user.end()
    }

    @Test func anInterruptedRegistrationFindsItsAccount() async throws {
        let user = try await User()
        var limit = 0
        while true {
            let key = KeyName("account-\(limit)")
            let killSwitch = KillSwitch(after: limit)
            let registration = AccountRegistration(directory: user.pebble.directory, key: key, agreesToTerms: true)
            let store = FolderStore(folder: user.folder.file("store-\(limit)"))
            let flow = AccountFlow(
                store: KillableStore(base: store, killSwitch), keys: KillableKeys(base: user.keys, killSwitch),
                transport: KillableTransport(base: user.transport, killSwitch))
            do {
                _ = try await flow.register(registration)
                break
            } catch {}
            let account = try await AccountFlow(store: store, keys: user.keys, transport: user.transport).register(registration)
            #expect(account.url != nil)
            #expect(try await store.account(at: user.pebble.directory)?.url == account.url)
            limit += 1
        }
        #expect(limit > 8)
        await user.end()
    }

    @Test func aKeyChangeMayBeCutOffAnywhere() async throws {
        let user = try await User()
        let directory = user.pebble.directory
        var account = try await user.register()
        var limit = 0
        while true {
            let killSwitch = KillSwitch(after: limit)
            let flow = AccountFlow(
                store: KillableStore(base: user.store, killSwitch), keys: KillableKeys(base: user.keys, killSwitch),
                transport: KillableTransport(base: user.transport, killSwitch))
            let next = KeyName("account-\(limit)")
            do {
                account = try await flow.changeKey(directory, to: next)
                #expect(account.key == next)
                break
            } catch {}
            // Whichever key the CA has, the next run finds the account with it.
            #expect(try await user.accounts.show(directory).account.status == .valid)
            let settled = try #require(try await user.store.account(at: directory))
            #expect(settled.nextKey == nil && settled.url == account.url)
            limit += 1
        }
        #expect(limit > 8)
        #expect(!user.keys.retired.contains(account.key.rawValue))
        // The CA refuses another account's key, and the old key stays.
        let other = AccountFlow(store: FolderStore(folder: user.folder.file("other")), keys: user.keys, transport: user.transport)
        _ = try await other.register(AccountRegistration(directory: directory, key: KeyName("taken"), agreesToTerms: true))
        await #expect(throws: ACMEClientError.self) { try await user.accounts.changeKey(directory, to: KeyName("taken")) }
        #expect(try await user.accounts.show(directory).stored.key == account.key)
        await user.end()
    }
}
