plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "org.fieldscore.sample"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.fieldscore.sample"
        minSdk = 23
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
        // JNA has libraries for more processors than Fieldscore: on those the app would install, and not start.
        ndk {
            abiFilters += listOf("arm64-v8a", "armeabi-v7a", "x86_64")
        }
    }

    sourceSets {
        // The golden bundle, to try it with. An app of yours has its own in src/main/assets.
        named("main") { assets.srcDir("../../../tests/golden/credit") }
    }

    androidResources {
        // A bundle hardly gets smaller zipped, and stored as it is it can be read without being unpacked first; updates
        // of the app stay small too, since unchanged bytes stay where they are.
        noCompress += "fsb"
        ignoreAssetsPatterns += listOf("!*.csv", "!digests.txt")
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_1_8
        targetCompatibility = JavaVersion.VERSION_1_8
    }
}

kotlin {
    compilerOptions { jvmTarget.set(org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_1_8) }
}

dependencies {
    implementation(project(":fieldscore"))
}
