// The library. `cargo xtask android` puts the generated Kotlin and, where there is an NDK, the shared libraries into
// target/android; then `gradle :fieldscore:publishToMavenLocal` publishes it on this machine.
plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
    `maven-publish`
}

group = "org.fieldscore"
version = "0.1.0"

val built = rootDir.resolve("../../target/android")

android {
    namespace = "org.fieldscore"
    compileSdk = 36

    defaultConfig {
        minSdk = 23
        consumerProguardFiles("consumer-rules.pro")
        ndk {
            abiFilters += listOf("arm64-v8a", "armeabi-v7a", "x86_64")
        }
    }

    sourceSets {
        named("main") {
            java.srcDirs("src/main/kotlin", "../scoring/src/main/kotlin", built.resolve("kotlin"))
            jniLibs.srcDirs(built.resolve("jniLibs"))
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }

    publishing {
        singleVariant("release") {
            withSourcesJar()
        }
    }
}

kotlin {
    compilerOptions {
        jvmTarget.set(org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_1_8)
        allWarningsAsErrors.set(true)
    }
}

dependencies {
    // As an AAR it brings its own shared library for each ABI; from 5.17 on for pages of 16 KiB too.
    implementation("net.java.dev.jna:jna:5.19.1@aar")
}

// Without the generated Kotlin there is nothing to compile: say what makes it.
tasks.named("preBuild") {
    doFirst {
        check(built.resolve("kotlin/org/fieldscore/ffi").isDirectory) { "run first: cargo xtask android" }
        check(built.resolve("jniLibs/arm64-v8a/libfieldscore_mobile.so").isFile) {
            "the shared libraries are missing: cargo xtask android says what it needs to build them"
        }
    }
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "fieldscore"
            afterEvaluate { from(components["release"]) }
            pom {
                name.set("Fieldscore")
                description.set("Scores loan applications on the phone, offline, from one signed bundle.")
                url.set("https://github.com/fieldscore/fieldscore")
                licenses {
                    license {
                        name.set("MIT OR Apache-2.0")
                        url.set("https://github.com/fieldscore/fieldscore/blob/main/LICENSE-MIT")
                    }
                }
                developers {
                    developer { name.set("The Fieldscore authors") }
                }
                scm { url.set("https://github.com/fieldscore/fieldscore") }
            }
        }
    }
}
