// Sources/Protocols/Varlink/Varlink.docc shows the lines between the two marks; Docs/check compares them.
// example: begin
import NIOCore
import NIOPosix
import StrictJSON
import Varlink

/// Greets its callers, by what the kernel says about them.
final class Greeter: VarlinkService {
    let info = VarlinkServiceInfo(vendor: "Example", product: "Greeter", version: "1", url: "https://example.org")
    let interfaces: [VarlinkInterface]

    init() throws {
        interfaces = [
            try VarlinkInterface(
                parsing: """
                    interface org.example.greeter
                    method Greet(name: string) -> (greeting: string)
                    """)
        ]
    }

    func handle(_ call: VarlinkCall, peer: VarlinkPeerCredentials, reply: VarlinkReplier) {
        do throws(JSONError) {
            try call.parameters.finish(known: ["name"])
            let name = try call.parameters.string("name")
            reply.succeed { $0.member("greeting", "Hello, \(name), of uid \(peer.uid)") }
        } catch {
            reply.fail(error)
        }
    }
}

/// Listens on the socket until the process ends.
func serveGreetings(at address: VarlinkAddress) async throws {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let greeter = NIOLoopBoundBox.makeBoxSendingValue(try Greeter(), eventLoop: loop)
    try await loop.flatSubmit {
        VarlinkServer(service: greeter.value, eventLoop: loop) { VarlinkPeerCredentials(descriptor: $0) }.listen(at: address)
    }.get()
}

/// Asks the service at the socket for a greeting.
func greeting(for name: String, at address: VarlinkAddress) async throws -> String {
    let connection = try await VarlinkConnection.connect(to: address)
    var parameters = JSONWriter()
    parameters.beginObject()
    parameters.member("name", name)
    parameters.endObject()
    let reply = try await connection.call("org.example.greeter.Greet", parameters: parameters.bytes, timeout: .seconds(5))
    await connection.close()
    return try reply.parameters.string("greeting")
}
// example: end
