package org.fieldscore.android

import android.security.keystore.KeyGenParameterSpec
import java.io.InputStream
import java.io.OutputStream
import java.security.Key
import java.security.KeyStoreSpi
import java.security.Provider
import java.security.ProviderException
import java.security.SecureRandom
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.util.Collections
import java.util.Date
import java.util.Enumeration
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import javax.crypto.KeyGeneratorSpi
import javax.crypto.SecretKey
import javax.crypto.spec.SecretKeySpec

/** Stands in for the Android Keystore: keys in memory, which get lost and fail as asked for. */
@Suppress("DEPRECATION") // Of Java 8's, which the newer are not on Android.
object Keys : Provider("AndroidKeyStore", 1.0, "") {
    val held = ConcurrentHashMap<String, SecretKey>()
    private val count = AtomicInteger()
    @Volatile var failing = false

    /** How many keys have been made. */
    val made: Int
        get() = count.get()

    init {
        put("KeyStore.AndroidKeyStore", Store::class.java.name)
        put("KeyGenerator.AES", Generator::class.java.name)
    }

    /** As on a new device. */
    fun reset() {
        held.clear()
        count.set(0)
        failing = false
    }

    /** Makes keys as the specification says. */
    class Generator : KeyGeneratorSpi() {
        private lateinit var wanted: KeyGenParameterSpec

        override fun engineInit(params: AlgorithmParameterSpec?, random: SecureRandom?) {
            wanted = params as KeyGenParameterSpec
        }

        override fun engineInit(random: SecureRandom?) = throw UnsupportedOperationException()

        override fun engineInit(keysize: Int, random: SecureRandom?) = throw UnsupportedOperationException()

        override fun engineGenerateKey(): SecretKey {
            if (failing) throw ProviderException("Keystore operation failed")
            count.incrementAndGet()
            // As slow as a phone's: whoever comes meanwhile must wait.
            Thread.sleep(20)
            val key = SecretKeySpec(ByteArray(wanted.keySize / 8).also { SecureRandom().nextBytes(it) }, "AES")
            held[wanted.keystoreAlias] = key
            return key
        }
    }

    /** Gives the keys. */
    class Store : KeyStoreSpi() {
        override fun engineGetKey(alias: String, password: CharArray?): Key? = held[alias]

        override fun engineDeleteEntry(alias: String) {
            held.remove(alias)
        }

        override fun engineLoad(stream: InputStream?, password: CharArray?) = Unit

        override fun engineAliases(): Enumeration<String> = Collections.enumeration(held.keys)

        override fun engineContainsAlias(alias: String) = held.containsKey(alias)

        override fun engineSize() = held.size

        override fun engineIsKeyEntry(alias: String) = held.containsKey(alias)

        override fun engineIsCertificateEntry(alias: String) = false

        override fun engineGetCertificateChain(alias: String): Array<Certificate>? = null

        override fun engineGetCertificate(alias: String): Certificate? = null

        override fun engineGetCertificateAlias(certificate: Certificate): String? = null

        override fun engineGetCreationDate(alias: String): Date? = null

        override fun engineSetKeyEntry(alias: String, key: Key, password: CharArray?, chain: Array<Certificate>?) =
            throw UnsupportedOperationException()

        override fun engineSetKeyEntry(alias: String, key: ByteArray, chain: Array<Certificate>?) =
            throw UnsupportedOperationException()

        override fun engineSetCertificateEntry(alias: String, certificate: Certificate) =
            throw UnsupportedOperationException()

        override fun engineStore(stream: OutputStream?, password: CharArray?) = throw UnsupportedOperationException()
    }
}
