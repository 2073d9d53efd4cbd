import Foundation
import Glibc
import NIOCore
import NIOPosix
import StrictJSON
import Testing
import Varlink

@testable import varlink_certification

/// Both ends of the certification against each other. Tests/Protocols/VarlinkCertification/run tests each against
/// another implementation.
@Suite struct CertificationTests {
    private func withConnection(_ body: (VarlinkConnection) async throws -> Void) async throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/varlink-test-XXXXXX".utf8CString)
        #expect(mkdtemp(&template) != nil)
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            unlink(folder + "/s")
            rmdir(folder)
        }
        let address = try #require(VarlinkAddress(path: folder + "/s"))
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let server = try await loop.flatSubmit {
            do {
                let server = VarlinkServer(service: try CertificationService(), eventLoop: loop) { VarlinkPeerCredentials(descriptor: $0) }
                let bound = NIOLoopBound(server, eventLoop: loop)
                return server.listen(at: address).map { bound }
            } catch {
                return loop.makeFailedFuture(error)
            }
        }.get()
        let connection = try await VarlinkConnection.connect(to: address)
        try await body(connection)
        await connection.close()
        try await loop.flatSubmit { server.value.shutDown(within: .zero) }.get()
    }

    @Test func passes() async throws {
        try await withConnection { try await CertificationClient.run($0) }
    }

    @Test func wrongValuesAndWrongOrderAreRefused() async throws {
        try await withConnection { connection in
            let interface = CertificationSteps.interface
            let client = try await connection.call("\(interface).Start").parameters.string("client_id")
            let id = "\"client_id\":\"\(client)\""
            let unknown = await #expect(throws: VarlinkError.self) {
                try await connection.call("\(interface).Test01", parameters: Array(#"{"client_id":"x"}"#.utf8))
            }
            #expect(unknown?.name == "\(interface).ClientIdError")
            _ = try await connection.call("\(interface).Test01", parameters: Array("{\(id)}".utf8))
            let wrong = await #expect(throws: VarlinkError.self) {
                try await connection.call("\(interface).Test02", parameters: Array("{\(id),\"bool\":false}".utf8))
            }
            #expect(wrong?.name == "\(interface).CertificationError")
            let over = await #expect(throws: VarlinkError.self) {
                try await connection.call("\(interface).Test02", parameters: Array("{\(id),\"bool\":true}".utf8))
            }
            #expect(over?.name == "\(interface).ClientIdError")
        }
    }
}
