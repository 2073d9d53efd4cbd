import ACME
import DurableFile
import Foundation
import Glibc
import JOSE
import TestSupport
import Testing
import X509

@testable import CertificateStore

@Suite("Folder store")
struct FolderStoreTests {
    @Test func anOrderCountThatWasCutOffLeavesNothing() throws {
        let folder = try StoreFolder(), store = folder.store, directory = try ACMEURL("https://ca.example/dir")
        store.removeUnfinishedOrderCounts()
        var count = try store.orderCount(at: directory)
        count.add(100, forgettingBefore: 0)
        count.add(300, forgettingBefore: 200)
        try store.write(count)
        let counts = store.layout.orderCounts
        let file = try #require(try FileManager.default.contentsOfDirectory(atPath: counts).first)
        try Data("{".utf8).write(to: URL(fileURLWithPath: "\(counts)/\(Folder.interim(file))"))
        store.removeUnfinishedOrderCounts()
        #expect(try FileManager.default.contentsOfDirectory(atPath: counts) == [file])
        #expect(try store.orderCount(at: directory).times == [300])
    }

    @Test("An account comes back as it was saved, for its directory alone")
    func accounts() async throws {
        let folder = try StoreFolder(), store = folder.store
        let directory = try ACMEURL("https://acme.example:14000/directory"), other = try ACMEURL("https://acme.example:14000/other")
        #expect(try await store.account(at: directory) == nil)
        #expect(try await store.accounts().isEmpty)
        var account = StoredAccount(directory: directory, key: "account", contact: ["mailto:a@example.org"])
        try await store.save(account)
        #expect(try await store.account(at: directory) == account)
        account.url = try ACMEURL("https://acme.example:14000/acct/1")
        account.nextKey = "account-2"
        account.termsOfService = "https://acme.example/terms \"1\""
        try await store.save(account)
        #expect(try await store.account(at: directory) == account)
        #expect(try await store.account(at: other) == nil)
        try await store.save(StoredAccount(directory: other, key: "other"))
        #expect(try await store.accounts().count == 2)
        var status = stat()
        #expect(stat(folder.store.layout.account(directory), &status) == 0 && status.st_mode & 0o777 == 0o600)
        try await store.removeAccount(at: directory)
        try await store.removeAccount(at: directory)
        #expect(try await store.accounts().map(\.key) == ["other"])
    }

    @Test("Data that could not be read back is not written")
    func unreadable() async throws {
        let folder = try StoreFolder(), store = folder.store
        let directory = try ACMEURL("https://acme.example/directory")
        let good = StoredAccount(directory: directory, key: "account", contact: ["\u{0}\u{1B}\"\\ü\u{1F511}"])
        try await store.save(good)
        #expect(try await store.account(at: directory) == good)
    }

    @Test("The journal keeps every step and what it means for the next run")
    func journal() async throws {
        let folder = try StoreFolder(), store = folder.store
        var journal = try folder.journal()
        journal.profile = "shortlived"
        try await store.write(journal)
        let order = try ACMEURL("https://acme.example/order/7")
        let file = ChallengeAnswer(
            type: .http01, identifier: journal.identifiers[0], keyAuthorization: KeyAuthorization(token: "dG9rZW4", thumbprint: "thumb"),
            target: "/srv/www/.well-known/x")
        let record = ChallengeAnswer(
            type: .dns01, identifier: journal.identifiers[0], keyAuthorization: KeyAuthorization(token: "b3RoZXI", thumbprint: "thumb"),
            target: "_acme-challenge.www.example.org")
        #expect(journal.key == nil && journal.order == nil && !journal.isFinalizing)
        let steps: [JournalStep] = [
            .intentKey(name: "web", isNew: true), .keyMade(fingerprint: "00ff"),
            .orderCreated(
                order, finalize: try ACMEURL("https://acme.example/finalize/7"),
                authorizations: [try ACMEURL("https://acme.example/authz/7"), try ACMEURL("https://acme.example/authz/8")]),
            .challengeSetUp(file),
            .challengeSetUp(record),
            .challengeCleanedUp(file), .finalized, .downloaded(try ACMEURL("https://acme.example/cert/7")), .installed(generation: 3),
        ]
        for step in steps {
            try await store.record(step, in: &journal)
            #expect(try await store.journal(named: folder.name) == journal)
        }
        #expect(journal.steps == steps)
        #expect(journal.key == "web" && journal.order == order && journal.installedGeneration == 3)
        #expect(journal.challengesToCleanUp == [record] && journal.isFinalizing)
        journal.append(.intentKey(name: "web-2", isNew: true))
        #expect(journal.key == "web-2")
        journal.append(.orderCreated(order))
        #expect(!journal.isFinalizing && !journal.hasFailed)
        journal.account = try ACMEURL("https://acme.example/acct/1")
        try await store.record(.failed, in: &journal)
        #expect(try await store.journal(named: folder.name) == journal)
        #expect(journal.hasFailed)
        journal.reopen()
        #expect(!journal.hasFailed && journal.order == order)
        #expect(try await store.journalNames() == [folder.name])
        try await store.removeJournal(named: folder.name)
        #expect(try await store.journal(named: folder.name) == nil)
        #expect(try await store.journalNames().isEmpty)
    }

    @Test("A journal of format 1 is read, one of format 4 is not")
    func formats() async throws {
        let folder = try StoreFolder(), store = folder.store
        let path = folder.state + "/orders/www.example.org.json"
        func text(_ version: Int) -> String {
            #"{"version":\#(version),"kind":"order","name":"www.example.org","directory":"https://acme.example/directory","identifiers":"#
                + #"[{"type":"dns","value":"www.example.org"}],"accountKey":"account","started":"2026-01-01T00:00:00Z","steps":"#
                + #"[{"step":"order-created","url":"https://acme.example/order/7"}]}"#
        }
        try folder.write(text(1), to: path)
        let journal = try #require(try await store.journal(named: folder.name))
        #expect(journal.account == nil && journal.steps == [.orderCreated(try ACMEURL("https://acme.example/order/7"))])
        try folder.write(text(4), to: path)
        #expect(await failure { _ = try await store.journal(named: folder.name) }?.reason == .newerFormat)
    }

    @Test("A certificate is installed, read, renewed, marked and removed")
    func certificates() async throws {
        let folder = try StoreFolder(), store = folder.store
        #expect(try await store.certificate(named: folder.name) == nil)
        let first = try await store.install(folder.new())
        #expect(first.metadata.generation == 1 && !first.isDeployed && !first.isRevoked)
        let stored = try #require(try await store.certificate(named: folder.name))
        #expect(stored.metadata == first.metadata && stored.chain.der == first.chain.der)
        #expect(stored.metadata.key == KeyReference(name: "web", uri: "pkcs11:object=web", fingerprint: first.metadata.key.fingerprint))
        let path = try #require(stored.folder)
        #expect(path == folder.state + "/certificates/www.example.org")
        // A server is configured with plain paths, which follow a renewal.
        for (file, expected) in zip(
            FolderLayout.files, [first.chain.leafPEM, first.chain.issuersPEM, first.chain.fullChainPEM, first.chain.leafDER])
        {
            #expect(try readFollowing("\(path)/\(file)") == expected)
        }
        let spki = try #require(first.chain.spki)
        #expect(try readFollowing("\(path)/key.pem") == KeyFile.encode(name: "web", socket: nil, spki: spki))
        let text = String(decoding: try readFollowing("\(path)/metadata.json"), as: UTF8.self)
        #expect(text.contains("\"reference\":\"acme-agent:web\"") && text.contains("\"version\":1") && !text.contains("PRIVATE"))

        try await store.markDeployed(folder.name, generation: 1)
        #expect(try await store.certificate(named: folder.name)?.isDeployed == true)
        let second = try await store.install(folder.new())
        #expect(second.metadata.generation == 2 && !second.isDeployed && second.deployedGeneration == 1)
        #expect(try readFollowing("\(path)/fullchain.pem") == second.chain.fullChainPEM)
        try await store.markRevoked(folder.name, generation: 2)
        #expect(try await store.certificate(named: folder.name)?.isRevoked == true)
        for _ in 0..<4 { _ = try await store.install(folder.new()) }
        #expect(try store.files.names(in: store.layout.generations(folder.name)) == ["4", "5", "6"])
        #expect(try await store.certificateNames() == [folder.name])

        try await store.removeCertificate(named: folder.name)
        #expect(try await store.certificate(named: folder.name) == nil)
        #expect(try await store.certificateNames().isEmpty)
        #expect(await failure { try await store.removeCertificate(named: folder.name) }?.reason == .notFound)
        #expect(await failure { try await store.markDeployed(folder.name, generation: 1) }?.reason == .notFound)
    }

    private func readFollowing(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }

    @Test("A refused chain changes nothing")
    func refused() async throws {
        let folder = try StoreFolder(), store = folder.store
        let first = try await store.install(folder.new())
        let secret = Array(folder.key.pemRepresentation.utf8) + [0x0A]
        let error = await failure { _ = try await store.install(folder.new(pem: first.chain.fullChainPEM + secret)) }
        #expect(error?.reason == .chainRefused)
        #expect(try await store.certificate(named: folder.name)?.metadata == first.metadata)
        #expect(try store.files.names(in: store.layout.generations(folder.name)) == ["1"])
    }

    @Test("A reader never sees a mix of two generations")
    func noMix() async throws {
        let folder = try StoreFolder(), store = folder.store
        _ = try await store.install(folder.new())
        let news = try (0..<12).map { _ in try folder.new() }
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                for new in news { _ = try await store.install(new) }
                return 0
            }
            for _ in 0..<2 {
                group.addTask {
                    var last = 0
                    for _ in 0..<60 {
                        let stored = try #require(try await store.certificate(named: folder.name))
                        #expect(Hexadecimal.encode(stored.chain.serialNumber) == stored.metadata.serial)
                        #expect(stored.metadata.generation >= last)
                        last = stored.metadata.generation
                        await Task.yield()
                    }
                    return last
                }
            }
            try await group.waitForAll()
        }
        #expect(try await store.certificate(named: folder.name)?.metadata.generation == 13)
    }

    @Test("The lock: one holder, which is named; free once released, dropped or killed")
    func locks() async throws {
        let folder = try StoreFolder(), store = folder.store
        let lock = try await store.lock(folder.name)
        let error = await failure { _ = try await store.lock(folder.name) }
        #expect(error?.reason == .locked)
        #expect(error?.message == "process \(getpid()) is working on certificate \"www.example.org\"")
        // Another certificate is not blocked.
        try await store.lock(try CertificateName("db.example.org")).release()
        lock.release()
        lock.release()
        #expect(access(store.layout.lock(folder.name), F_OK) != 0, "a file for each name that was tried")
        _ = try await store.lock(folder.name)
        _ = try await store.lock(folder.name)

        let path = store.layout.lock(folder.name)
        var pid = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] = (["flock", "--no-fork", path, "sleep", "60"] as [String]).map { strdup($0) }
        arguments.append(nil)
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawnp(&pid, "flock", nil, nil, &arguments, &environment) == 0)
        var held = false
        for _ in 0..<500 where !held {
            // Dropped without release: release would remove the file, and the program may be waiting for this very
            // file.
            held = await failure { _ = try await store.lock(folder.name) }?.reason == .locked
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(held)
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        try await store.lock(folder.name).release()
    }
}
